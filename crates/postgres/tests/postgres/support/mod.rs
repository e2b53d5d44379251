//! What the tests share: a server, a runtime, sessions.

pub(crate) mod server;
pub(crate) mod watcher;

use std::{
    future::Future,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::runtime::Runtime;
use tower_refresh_core::{SessionHandle, SessionRow, Timestamp};
use tower_refresh_postgres::{PostgresBuilder, PostgresStore};

use self::server::Server;

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// When the sessions log in: in the far future, as no store reads a clock.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(4_000_000_000);

/// The server of all tests that leave it alone.
pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&["fsync=off"]))
}

/// One runtime for all tests, as they share stores, whose connections are its tasks.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("a runtime starts")).block_on(future)
}

/// An empty table of the test's own.
pub(crate) fn own_table() -> PostgresBuilder {
    PostgresStore::builder().schema(unique("own"))
}

/// A name that nothing else has on this test's server.
pub(crate) fn unique(name: &str) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    format!("{name}_{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

pub(crate) async fn open(server: &Server) -> PostgresStore {
    own_table().connect(&server.url("postgres")).await.expect("an empty database is opened")
}

pub(crate) fn handle(number: u64) -> SessionHandle {
    SessionHandle::from_bytes((u128::from(number) << 64 | 7).to_be_bytes())
}

/// A session of `alice` that lives for thirty days.
pub(crate) fn row(number: u64) -> SessionRow {
    let expiry = NOW.saturating_add(DAY * 30);
    SessionRow::new(handle(number), "alice".into(), NOW, expiry, expiry)
}

/// The row's next rotation.
pub(crate) fn rotated(row: &SessionRow) -> SessionRow {
    let mut next = row.clone();
    next.generation += 1;
    next
}
