//! Listing the sessions of a subject.

use rusqlite::{Connection, params};
use tower_refresh_core::{SessionRow, Subject, Timestamp};

use crate::row::{self, Column, columns};

const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM sessions WHERE subject = ?1 AND ended_at IS NULL AND idle_expiry > ?2 AND absolute_expiry > ?2
      ORDER BY created_at DESC, handle DESC"
);

pub(super) fn list(
    connection: &Connection,
    subject: &Subject,
    now: Timestamp,
) -> rusqlite::Result<Vec<SessionRow>> {
    let mut statement = connection.prepare_cached(LIST)?;
    statement.query_map(params![subject.as_str(), Column(now)], row::read)?.collect()
}
