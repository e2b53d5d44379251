//! Stores the sessions of [`tower-refresh`](https://docs.rs/tower-refresh) in a SQLite file: they survive a restart, and
//! there is no server to install.
//!
//! ```
//! use tower_refresh_core::{Page, SessionHandle, SessionRow, SessionStore, Subject, Timestamp};
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
//! assert_eq!(store.list(&Subject::new("alice"), login, Page::first(10_000)).await?, [row]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it works
//! One thread writes. It runs all waiting writes in one transaction and acknowledges them once that is on disk; the writes
//! that arrive meanwhile form the next group. A single write does not wait for others. Two threads read concurrently; while
//! the writer is idle, it loads as well. One more thread reads the feed, and one makes checkpoints. Futures
//! only wait for results, so no executor is blocked, and any executor works.
//!
//! # Durability
//! A write is acknowledged after it was synced to disk (WAL with `synchronous=FULL`). It survives a crash of the process or
//! of the system and a power failure, as far as the disk honors a sync. To give that up for speed, use
//! [`SqliteOptions::with_writes_lost_on_power_failure`]. If the disk is full or fails, every write of the group fails and
//! none is acknowledged.
//!
//! # One machine
//! Several processes of one machine may share the file, and the
//! [feed](tower_refresh_core::SessionStore::watch_feed) of each reports the session ends and outdated claims of all. The file must be on a local
//! disk: NFS and other network file systems corrupt it sooner or later. Writes wait for those of other processes, by default
//! for at most two seconds ([`SqliteOptions::with_lock_timeout`]).
//!
//! # Backup
//! While a server is running, copy the file with `sqlite3 sessions.db ".backup copy.db"` or `VACUUM INTO 'copy.db'`. A plain
//! copy misses the writes that are still in `sessions.db-wal`. Restoring a backup revives the sessions that have ended since
//! it was made. If that is not acceptable, start with an empty file instead, which logs all users out.
//!
//! # Upgrades
//! Opening a file migrates it, and its sessions stay. From a file of the first schema (`user_version` 1): stop all processes, open
//! the file with the new version, start the others. This reads the whole table several times, during which the file cannot be written:
//! see the README for the time that it takes. Other processes wait for it for up to a minute when they open the file. A later version that only adds to the schema can use the file at the same time
//! as this one, which leaves its columns, tables and notices as they are.
//!
//! # Size
//! [`purge_dead`](tower_refresh_core::SessionStore::purge_dead) makes space for later sessions, but does not shrink the file.

mod error;
mod feed;
mod location;
mod locks;
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
    options::SqliteOptions,
    store::SqliteStore,
};
