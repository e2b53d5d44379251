//! The statements as this driver's type.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};
use tower_refresh_postgres_schema::{self as schema, Table};

pub(crate) type Statements = schema::Statements<SqlStr>;

/// The statements for `table`. The driver derives the types of parameters from the values.
pub(crate) fn statements(table: &Table, lossy_rotations: bool) -> Statements {
    // No part of them comes from a request.
    Statements::new(table, lossy_rotations, |sql, _| AssertSqlSafe(Arc::<str>::from(sql)).into_sql_str())
}
