//! The columns of a row, as this driver reads them.

use sqlx::{Error, Row, postgres::PgRow};
use tower_refresh_postgres_schema as schema;

pub(crate) struct Columns<'a>(pub(crate) &'a PgRow);

impl schema::Columns for Columns<'_> {
    type Error = Error;

    fn number(&self, index: usize) -> Result<i64, Error> {
        self.0.try_get(index)
    }

    fn optional_number(&self, index: usize) -> Result<Option<i64>, Error> {
        self.0.try_get(index)
    }

    fn flag(&self, index: usize) -> Result<bool, Error> {
        self.0.try_get(index)
    }

    fn optional_text(&self, index: usize) -> Result<Option<&str>, Error> {
        self.0.try_get(index)
    }

    fn optional_bytes(&self, index: usize) -> Result<Option<&[u8]>, Error> {
        self.0.try_get(index)
    }
}
