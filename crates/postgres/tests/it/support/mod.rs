//! Shared by the tests: a server, a runtime, sessions.

pub(crate) mod proxy;
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

use deadpool_postgres::Pool;
use tokio::{runtime::Runtime, time::timeout};
use tower_refresh_core::{SessionHandle, SessionRow, Timestamp};
use tower_refresh_postgres::{PostgresOptions, PostgresStore};

use self::server::Server;

const LONG: Duration = Duration::from_secs(30);

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The time of the logins: in the far future, as no store reads a clock.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(4_000_000_000);

/// The server of all tests that do not need one of their own.
pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&["fsync=off"]))
}

/// One runtime for all tests, as the connections of shared stores are tasks of it.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("a runtime starts")).block_on(future)
}

/// An empty table of the test's own.
pub(crate) fn own_table() -> PostgresOptions {
    PostgresOptions::new().with_schema(unique("own"))
}

/// A name that is unique on the server.
pub(crate) fn unique(name: &str) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    format!("{name}_{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

pub(crate) async fn open(server: &Server) -> PostgresStore {
    own_table().connect(&server.url("postgres")).await.expect("an empty database is opened")
}

/// Waits until the idle connections of the pool are closed, and the pool has noticed.
pub(crate) async fn until_closed(pool: &Pool) {
    let closed = async {
        loop {
            let mut open = false;
            pool.retain(|connection, _| {
                open |= !connection.is_closed();
                true
            });
            if !open {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, closed).await.expect("the connections are closed");
}

pub(crate) fn handle(number: u64) -> SessionHandle {
    SessionHandle::from_bytes((u128::from(number) << 64 | 7).to_be_bytes())
}

/// A session of `alice` that expires after thirty days.
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
