//! Stores the sessions of [`tower-refresh`](https://docs.rs/tower-refresh) in PostgreSQL, shared by any number of servers.
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
//! With a TLS connector of your choice, and other names:
//!
//! ```no_run
//! # use tokio_postgres::{Socket, tls::{MakeTlsConnect, TlsConnect}};
//! use tower_refresh_postgres::PostgresOptions;
//!
//! # async fn open<T>(tls: T) -> Result<(), Box<dyn std::error::Error>>
//! # where
//! #     T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
//! #     T::Stream: Send + Sync,
//! #     T::TlsConnect: Send + Sync,
//! #     <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
//! # {
//! let store = PostgresOptions::new()
//!     .with_schema("auth")
//!     .with_table("sessions")
//!     .connect_with("postgresql://app@db.internal/app".parse()?, tls)
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! - Opening creates the table, or migrates it to the newest version, under a lock: several servers may start at the same
//!   time. A migration that waits for a second for a transaction which uses the table gives up
//!   ([`OpenErrorKind::Locked`]), as all other queries of the table wait behind it. Nothing has then changed; open the store
//!   again. If the table is up to date, the store needs `SELECT`, `INSERT`, `UPDATE` and `DELETE` on it, `SELECT` on the table
//!   of its version (`sessions_version`), `USAGE` on the schema, and no other right.
//! - Each call is one prepared statement and one round trip. Loads, compare-and-swaps, session ends and calls that outdate claims
//!   of one process that run at the same time are sent as one statement per kind (a batch). A call that finds no other in progress
//!   is sent at once.
//! - The store needs a tokio runtime, in which its methods must be called.
//! - After a failure the store recovers by itself: the calls in progress fail, their connections are closed, and the next
//!   call connects anew.
//! - No write is repeated that may have been executed. A call is sent a second time, on another connection, only if the
//!   server reports *instead of accepting the statement* that it closed the first connection (`57P01`, `57P02`, `57P05`), for
//!   example because an administrator terminated it or it was idle for too long. The statement was then not executed. If a
//!   connection breaks without such a report, the call fails with
//!   [`Unavailable`](tower_refresh_core::StoreErrorKind::Unavailable).
//! - The [feed](tower_refresh_core::SessionStore::watch_feed) of ended sessions and outdated claims uses `LISTEN`, with one connection per
//!   watcher beside those of the pool. A notification is sent when the end is committed, so sessions are also reported whose end
//!   was executed although the call failed, because the reply was lost. At the start and then every 5 seconds the store sends a
//!   notification through the pool; if it does not arrive within the time limit, the feed fails.
//!
//! # Durability
//!
//! | write | waits for |
//! |---|---|
//! | login | what the database's `synchronous_commit` requires |
//! | rotation | the same; nothing with [`with_lossy_rotations`](PostgresOptions::with_lossy_rotations) |
//! | session end, outdated claims | the disk of the primary, and of the synchronous standbys if there are any, even if `synchronous_commit` is `off` or `local` |
//!
//! With `fsync = off` nothing is durable, and the store cannot detect that.
//!
//! # Failover
//!
//! A standby that replicates asynchronously lacks the last writes of the primary. After it is promoted:
//!
//! - **A lost rotation** has no effect: the browser's token is one generation ahead, which the rotation protocol accepts.
//! - **A lost login** is gone; the user logs in again.
//! - **A lost session end** is undone: the ended session is live again, and its refresh token works until it expires or the
//!   session is ended once more. If a logout must survive the loss of the primary, set `synchronous_standby_names`: a
//!   session end is then acknowledged only after a standby has it on disk.
//! - **Lost outdated claims** are valid again on servers that start later, until the session is refreshed. Outdate them again. A standby has
//!   them as safely as a session end.
//!
//! The store reads from the primary only, since a replica may lag behind a session end. Its own connections require
//! `target_session_attrs=read-write`, so a list of hosts in the URL follows a failover. A
//! [pool of your own](PostgresOptions::connect_pool) must ensure that itself.
//!
//! # Poolers
//!
//! | PgBouncer | the store | the feed |
//! |---|---|---|
//! | `pool_mode = session` | no setting needed | no setting needed |
//! | `pool_mode = transaction`, 1.21 and later with `max_prepared_statements` | no setting needed | [`with_feed_url`] past PgBouncer |
//! | `pool_mode = transaction`, earlier or without | [`with_unnamed_statements`] | [`with_feed_url`] past PgBouncer |
//! | `pool_mode = statement` | opening fails | |
//!
//! ```no_run
//! # use tower_refresh_postgres::PostgresOptions;
//! # async fn open() -> Result<(), Box<dyn std::error::Error>> {
//! let store = PostgresOptions::new()
//!     .with_unnamed_statements()
//!     .with_feed_url("postgresql://app@localhost:5432/app")
//!     .connect("postgresql://app@localhost:6432/app")
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! PgBouncer in transaction mode gives each transaction another connection to the server. A prepared statement then does not exist
//! where it is executed, or is another client's of the same name. Opening checks that, and fails with
//! [`OpenErrorKind::PreparedStatementsUnsupported`]; [a pool of your own](PostgresOptions::connect_pool) is not checked. A `LISTEN` is
//! lost: without a direct connection the feed is down, and its error says so. The first, third and fourth line were tested with
//! PgBouncer 1.18.
//!
//! [`with_feed_url`]: PostgresOptions::with_feed_url
//! [`with_unnamed_statements`]: PostgresOptions::with_unnamed_statements
//!
//! # Other roles of the database
//!
//! - The statements qualify every name, so no function, operator or type of another role is used, whatever the search path. The search
//!   path of a connection is not changed, as a pooler may share it with others; only opening pins it, for its transaction.
//! - Opening checks the owners of the schema, of the two tables, and of the functions, operators and types that their triggers, indexes,
//!   defaults, constraints, rules and policies use. Each must be the role that the store connects as, the owner of the database, a
//!   superuser, or named with [`with_trusted_owner`](PostgresOptions::with_trusted_owner); otherwise opening fails with
//!   [`OpenErrorKind::UntrustedOwner`]. What is granted or created later is checked when the store is opened again.
//! - Every role that may connect to the database can send notifications on the channel of the feed.
//!
//! # Limits
//!
//! - The database must use UTF-8, with `read committed` as its `default_transaction_isolation`; otherwise opening fails.
//! - Text with U+0000 is rejected, as PostgreSQL cannot store it.
//! - PostgreSQL 12 or later.

mod batch;
mod connection;
mod database;
mod error;
mod feed;
mod open;
mod options;
mod store;
mod table;

pub use self::{
    error::{OpenError, OpenErrorKind},
    options::PostgresOptions,
    store::PostgresStore,
};
