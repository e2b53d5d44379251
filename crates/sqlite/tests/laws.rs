//! The laws of a session store.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::LazyLock;

use tempfile::TempDir;
use tower_refresh_core::conformance_tests;
use tower_refresh_sqlite::SqliteStore;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());

conformance_tests! {
    store: async { SqliteStore::open(FOLDER.path().join("sessions.db")).await.unwrap() },
    block_on: futures_executor::block_on,
}
