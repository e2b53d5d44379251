//! Creating a session.

use rusqlite::{Connection, ErrorCode, ffi::SQLITE_CONSTRAINT_UNIQUE, params};
use tower_refresh_core::{SessionBinding, SessionRow, StoreError, StoreErrorKind};

use super::job::{Step, Write};
use crate::{
    error::store_error,
    row::{Column, columns},
};

pub(crate) struct Create(pub(crate) SessionRow);

const CREATE: &str = concat!(
    "INSERT INTO sessions (",
    columns!(),
    ", purge_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
      ?21, ?22)"
);

impl Write for Create {
    type Output = ();

    fn step(&mut self, connection: &Connection, _rows: usize) -> Result<Step<()>, StoreError> {
        match insert(connection, &self.0) {
            Ok(_) => Ok(Step::Done(())),
            Err(error) if is_taken(&error) => Err(StoreError::new(StoreErrorKind::AlreadyExists)),
            Err(error) => Err(store_error(error)),
        }
    }
}

fn insert(connection: &Connection, row: &SessionRow) -> rusqlite::Result<usize> {
    connection.prepare_cached(CREATE)?.execute(params![
        Column(row.handle),
        row.subject.as_str(),
        row.generation,
        Column(row.rotated_at),
        row.confirmed,
        Column(row.late_budget),
        Column(row.created_at),
        Column(row.idle_expiry),
        Column(row.absolute_expiry),
        row.ended.map(|ended| Column(ended.reason)),
        row.ended.map(|ended| Column(ended.at)),
        row.version,
        row.meta.user_agent,
        row.meta.ip.map(|ip| ip.to_string()),
        row.meta.label,
        row.data,
        Column(row.authenticated_at),
        row.idle.map(Column),
        row.persistent,
        row.claims_epoch,
        row.binding.as_ref().map(SessionBinding::as_bytes),
        Column(row.dead_since()),
    ])
}

/// The handle is the only unique column.
fn is_taken(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        error.code == ErrorCode::ConstraintViolation && error.extended_code == SQLITE_CONSTRAINT_UNIQUE
    })
}
