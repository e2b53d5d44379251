//! Sessions of [`tower-refresh`](https://docs.rs/tower-refresh) in a SQLite file: they survive a restart, and there is no
//! server to install.
//!
//! ```
//! use tower_refresh_core::{SessionHandle, SessionRow, SessionStore, Subject, Timestamp};
//! use tower_refresh_sqlite::SqliteStore;
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("sessions.db");
//! # futures_executor::block_on(async {
//! let login = Timestamp::from_secs(1_700_000_000);
//! let expiry = Timestamp::from_secs(1_700_600_000);
//! let row = SessionRow::new(SessionHandle::from_bytes([7; 16]), "alice".into(), login, expiry, expiry);
//!
//! let store = SqliteStore::open(&path).await?;
//! store.create(&row).await?;
//! drop(store);
//!
//! let store = SqliteStore::open(&path).await?;
//! assert_eq!(store.list(&Subject::new("alice"), login).await?, [row]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it works
//! One thread writes. It takes all writes that wait, runs them in one transaction and answers once that is on the disk; what
//! comes meanwhile is the next group. A write that comes alone does not wait for others. Two threads read beside it; while it is
//! idle, it loads as well. One more follows the ends of sessions. Futures only wait for answers, so no executor is blocked, and any will do.
//!
//! # Durability
//! A write is acknowledged after it was synced to the disk (WAL with `synchronous=FULL`): it holds if the process is killed, the
//! system crashes or the power fails, as far as the disk keeps its word. [`Options::with_writes_lost_on_power_failure`] gives
//! that up. When the disk is full or fails, every write of the group fails and none is acknowledged.
//!
//! # One machine
//! Several processes of one machine may share the file, and the [feed](tower_refresh_core::SessionStore::watch_ends) tells each
//! of the ends by all. The file must be on a local disk: over NFS and other network file systems it will be damaged sooner or
//! later. Writes wait for those of other processes, two seconds at most unless [told otherwise](Options::with_lock_wait).
//!
//! # Backup
//! While a server runs, copy with `sqlite3 sessions.db ".backup copy.db"` or `VACUUM INTO 'copy.db'`: a plain copy of the file
//! alone misses what is still in `sessions.db-wal`. Sessions that were ended since a backup was made live again when it is
//! restored; where that matters, start with an empty file instead, which logs everybody out.
//!
//! # Size
//! [`purge_dead`](tower_refresh_core::SessionStore::purge_dead) makes room that later sessions use; the file does not
//! shrink by itself.

mod checkpoint;
mod error;
mod feed;
mod open;
mod options;
mod queue;
mod reader;
mod row;
mod schema;
mod store;
mod writer;

pub use self::{
    error::{OpenError, OpenErrorKind},
    options::Options,
    store::SqliteStore,
};
