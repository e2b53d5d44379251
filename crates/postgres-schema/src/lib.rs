//! What the PostgreSQL stores of [`tower-refresh`](https://docs.rs/tower-refresh) have in common, without a driver: the table and
//! its migrations, the statements, and the notices of the feed.
//!
//! Applications need [`tower-refresh-postgres`](https://docs.rs/tower-refresh-postgres) or
//! [`tower-refresh-sqlx`](https://docs.rs/tower-refresh-sqlx), and not this crate. Because both use it, an application can move from
//! one to the other, and both may use one table at the same time.
//!
//! A driver brings three things: a [`Transaction`] in which [`migrate`] runs, the [`Columns`] of a row that is read with
//! [`read_row`], and its own type of statement, which [`Statements::new`] makes from the SQL:
//!
//! ```
//! use tower_refresh_postgres_schema::{Statements, Table};
//!
//! # fn main() -> Result<(), tower_refresh_postgres_schema::SchemaError> {
//! let table = Table::new("tower_refresh".into(), "sessions".into())?;
//! let statements = Statements::new(&table, false, |sql, _types| sql);
//! assert!(statements.load.contains(r#"FROM "tower_refresh"."sessions" WHERE handle"#));
//! # Ok(())
//! # }
//! ```

mod echo;
mod error;
mod migrate;
mod notice;
mod owners;
mod page;
mod row;
mod statements;
mod table;
mod transaction;

pub use self::{
    echo::Echo,
    error::SchemaError,
    migrate::{check, migrate},
    notice::Notice,
    page::PageStart,
    row::{Columns, can_be_stored, duration, millis, number, read_epoch, read_handle, read_row, read_time},
    statements::{ParameterType, Statements},
    table::Table,
    transaction::Transaction,
};
