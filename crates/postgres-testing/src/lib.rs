//! What the tests of the PostgreSQL stores share: private servers, poolers and proxies, a runtime, sessions.

#![allow(clippy::missing_panics_doc, reason = "a test panics if anything fails")]

pub mod bouncer;
pub mod proxy;
pub mod server;
pub mod watcher;

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

use self::server::Server;

/// Longer than anything in a test takes.
pub const LONG: Duration = Duration::from_secs(30);

/// A day.
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The time of the logins: in the far future, as no store reads a clock.
pub const NOW: Timestamp = Timestamp::from_secs(4_000_000_000);

/// The server of all tests that do not need one of their own.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&["fsync=off"]))
}

/// One runtime for all tests, as the connections of shared stores are tasks of it.
pub fn block_on<F: Future>(future: F) -> F::Output {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("a runtime starts")).block_on(future)
}

/// A name that is unique on the server.
pub fn unique(name: &str) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    format!("{name}_{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// The handle of a session by its number.
pub fn handle(number: u64) -> SessionHandle {
    SessionHandle::from_bytes((u128::from(number) << 64 | 7).to_be_bytes())
}

/// A session of `alice` that expires after thirty days.
pub fn row(number: u64) -> SessionRow {
    let expiry = NOW.saturating_add(DAY * 30);
    SessionRow::new(handle(number), "alice".into(), NOW, expiry, expiry)
}

/// The row's next rotation.
pub fn rotated(row: &SessionRow) -> SessionRow {
    let mut next = row.clone();
    next.generation += 1;
    next
}
