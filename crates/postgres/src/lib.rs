//! Sessions of [`tower-refresh`](https://docs.rs/tower-refresh) in PostgreSQL, for any number of servers.
//!
//! ```no_run
//! use tower_refresh_core::{SessionHandle, SessionStore};
//! use tower_refresh_postgres::PostgresStore;
//!
//! # async fn open() -> Result<(), Box<dyn std::error::Error>> {
//! let store = PostgresStore::connect("postgresql://app@localhost/app").await?;
//! let session = store.load(SessionHandle::from_bytes([7; 16])).await?;
//! # Ok(())
//! # }
//! ```
//!
//! With TLS by a connector of your choice, and other names:
//!
//! ```no_run
//! # use tokio_postgres::{Socket, tls::{MakeTlsConnect, TlsConnect}};
//! # use tower_refresh_postgres::PostgresStore;
//! # async fn open<T>(tls: T) -> Result<(), Box<dyn std::error::Error>>
//! # where
//! #     T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
//! #     T::Stream: Send + Sync,
//! #     T::TlsConnect: Send + Sync,
//! #     <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
//! # {
//! let store = PostgresStore::builder()
//!     .schema("auth")
//!     .table("sessions")
//!     .connect_with("postgresql://app@db.internal/app".parse()?, tls)
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it does
//!
//! - Opening creates the table, or brings it to the newest version, under a lock: servers may start at one time. Where
//!   the table is there, the store needs `SELECT`, `INSERT`, `UPDATE` and `DELETE` on it, `SELECT` on the table of its
//!   version (`sessions_version`), `USAGE` on the schema, and no other right.
//! - Each operation is one prepared statement, one round trip. Loads, compare-and-swaps and ends that a process asks for
//!   at one time go as one statement; one alone goes at once and waits for nobody.
//! - The store runs in tokio, within which its operations have to be called.
//! - After a failure it recovers by itself: what is under way fails, its connections are closed, and the next operation
//!   connects anew. No write is repeated.
//! - It [watches ends](tower_refresh_core::SessionStore::watch_ends) by `LISTEN`, on one connection a watcher beside the
//!   pool's. A notification goes out with the commit of the end, and a silent connection is probed every 5 seconds.
//!
//! # What is durable
//!
//! | write | waits for |
//! |---|---|
//! | login | what the database's `synchronous_commit` says |
//! | rotation | the same; nothing [`with_lossy_rotations`](PostgresBuilder::with_lossy_rotations) |
//! | end | the disk of the primary, and of the synchronous standbys if there are any, also where `synchronous_commit` is `off` or `local` |
//!
//! With `fsync = off` nothing is durable, and the store cannot tell.
//!
//! # Failover
//!
//! A standby that replicates asynchronously lacks the primary's last moments. When it is promoted:
//!
//! - **A rotation that it lacks** costs nothing: the browser's token is one generation ahead, which the rotation protocol
//!   takes for what it is.
//! - **A login that it lacks** is lost; the user logs in again.
//! - **An end that it lacks** is undone: an ended session lives again, and its refresh token works until it expires or is
//!   ended once more. If a logout has to outlive the primary, name `synchronous_standby_names`: an end then is answered
//!   only once a standby has it on disk.
//!
//! The store reads from the primary only: a replica may lag behind an end. Its own connections ask for
//! `target_session_attrs=read-write`, so a list of hosts in the URL follows a failover. A
//! [pool of your own](PostgresBuilder::pool) has to see to that itself.
//!
//! # Limits
//!
//! - The database is encoded in UTF-8, and `read committed` is its `default_transaction_isolation`; else it is not opened.
//! - A text with U+0000 is refused, as PostgreSQL keeps none.
//! - Between the store and the server, PgBouncer has to pool by session, or by transaction with prepared statements
//!   (1.21 and later); the feed needs a connection that bypasses it, or is pooled by session.
//! - PostgreSQL 12 or later.

mod builder;
mod connect;
mod database;
mod ends;
mod error;
mod feed;
mod group;
mod loads;
mod name;
mod row;
mod schema;
mod statements;
mod store;
mod swaps;

pub use self::{
    builder::PostgresBuilder,
    error::{OpenError, OpenErrorKind},
    store::PostgresStore,
};
