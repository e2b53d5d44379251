//! Sessions and files to test with.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{path::Path, time::Duration};

use rusqlite::Connection;
use tower_refresh_core::{SessionHandle, SessionRow, Timestamp};
use tower_refresh_sqlite::SqliteStore;

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn handle(number: u64) -> SessionHandle {
    SessionHandle::from_bytes(u128::from(number).to_be_bytes())
}

/// A session of alice that lives from [`NOW`] for seven days.
pub(crate) fn row(number: u64) -> SessionRow {
    let idle = NOW.saturating_add(DAY * 7);
    SessionRow::new(handle(number), "alice".into(), NOW, idle, NOW.saturating_add(DAY * 30))
}

pub(crate) async fn open(path: impl AsRef<Path>) -> SqliteStore {
    SqliteStore::open(path).await.unwrap()
}

/// The file as SQLite sees it, beside any store.
pub(crate) fn sqlite(path: impl AsRef<Path>) -> Connection {
    Connection::open(path).unwrap()
}

pub(crate) fn pragma<T: rusqlite::types::FromSql>(connection: &Connection, name: &str) -> T {
    connection.pragma_query_value(None, name, |columns| columns.get(0)).unwrap()
}
