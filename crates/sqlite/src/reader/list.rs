//! Listing the sessions of a subject.

use rusqlite::{Connection, params};
use tower_refresh_core::{Page, SessionRow, Subject, Timestamp};

use crate::row::{self, Column, columns};

const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM sessions WHERE subject = ?1 AND ended_at IS NULL AND idle_expiry > ?2 AND absolute_expiry > ?2
      AND (?3 IS NULL OR (created_at, handle) < (?3, ?4)) ORDER BY created_at DESC, handle DESC LIMIT ?5"
);

pub(super) fn list(
    connection: &Connection,
    subject: &Subject,
    now: Timestamp,
    page: Page,
) -> rusqlite::Result<Vec<SessionRow>> {
    let mut statement = connection.prepare_cached(LIST)?;
    let (after_login, after_handle) = page.after.unzip();
    let parameters = params![
        subject.as_str(),
        Column(now),
        after_login.map(Column),
        after_handle.map(Column),
        i64::try_from(page.limit).unwrap_or(i64::MAX)
    ];
    statement.query_map(parameters, row::read)?.collect()
}
