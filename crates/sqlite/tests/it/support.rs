//! Sessions and files for the tests.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::Connection;
use tempfile::TempDir;
use tower_refresh_core::{SessionHandle, SessionRow, Timestamp};
use tower_refresh_sqlite::SqliteStore;

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn handle(number: u64) -> SessionHandle {
    SessionHandle::from_bytes(u128::from(number).to_be_bytes())
}

/// A session of alice that expires seven days after [`NOW`].
pub(crate) fn row(number: u64) -> SessionRow {
    let idle = NOW.saturating_add(DAY * 7);
    SessionRow::new(handle(number), "alice".into(), NOW, idle, NOW.saturating_add(DAY * 30))
}

/// A folder that is removed when it is dropped, and the path of a session file in it.
///
/// Keep the folder until the store is closed, that is, declare it first.
pub(crate) fn temporary() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    (folder, path)
}

pub(crate) async fn open(path: impl AsRef<Path>) -> SqliteStore {
    SqliteStore::open(path).await.unwrap()
}

/// A connection to the file beside any store.
pub(crate) fn sqlite(path: impl AsRef<Path>) -> Connection {
    Connection::open(path).unwrap()
}

pub(crate) fn pragma<T: rusqlite::types::FromSql>(connection: &Connection, name: &str) -> T {
    connection.pragma_query_value(None, name, |columns| columns.get(0)).unwrap()
}
