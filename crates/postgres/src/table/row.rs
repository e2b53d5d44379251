//! The columns of a row, as this driver reads them.

use tokio_postgres::{Error, Row, types::FromSql};
use tower_refresh_core::{SessionHandle, SessionRow, StoreError, StoreErrorKind, Timestamp};
use tower_refresh_postgres_schema as schema;

pub(crate) fn read(row: &Row) -> Result<SessionRow, StoreError> {
    schema::read_row(&Columns(row))
}

pub(crate) fn read_handle(row: &Row, index: usize) -> Result<SessionHandle, StoreError> {
    schema::read_handle(&Columns(row), index)
}

pub(crate) fn read_time(row: &Row, index: usize) -> Result<Timestamp, StoreError> {
    schema::read_time(&Columns(row), index)
}

pub(crate) fn read_epoch(row: &Row, index: usize) -> Result<u32, StoreError> {
    schema::read_epoch(&Columns(row), index)
}

pub(crate) fn read_column<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T, StoreError> {
    row.try_get(index).map_err(|error| StoreError::with_source(StoreErrorKind::Corrupt, error))
}

struct Columns<'a>(&'a Row);

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
