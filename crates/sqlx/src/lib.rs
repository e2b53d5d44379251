//! Stores the sessions of [`tower-refresh`](https://docs.rs/tower-refresh) in PostgreSQL, on the application's own
//! [`sqlx::PgPool`], shared by any number of servers.
//!
//! ```no_run
//! use sqlx::PgPool;
//! use tower_refresh_core::{SessionHandle, SessionStore};
//! use tower_refresh_sqlx::SqlxStore;
//!
//! # async fn open() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = PgPool::connect("postgresql://app@localhost/app").await?;
//! let store = SqlxStore::open(pool.clone()).await?;
//! let session = store.load(SessionHandle::from_bytes([7; 16])).await?;
//! # Ok(())
//! # }
//! ```
//!
//! With other names, and a time limit of your choice:
//!
//! ```no_run
//! # use std::time::Duration;
//! use tower_refresh_sqlx::SqlxOptions;
//!
//! # async fn open(pool: sqlx::PgPool) -> Result<(), tower_refresh_sqlx::OpenError> {
//! let store = SqlxOptions::new()
//!     .with_schema("auth")
//!     .with_table("sessions")
//!     .with_timeout(Duration::from_secs(3))
//!     .open(pool)
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # This store or that of `tower-refresh-postgres`
//!
//! Both have the same table, the same migrations and the same channel of notices. An application can move from one to the other
//! without a change of its data, and both may use one table at the same time.
//!
//! | | this crate | [`tower-refresh-postgres`](https://docs.rs/tower-refresh-postgres) |
//! |---|---|---|
//! | connections | your `PgPool`, with its TLS, its hooks and its limits | a pool of its own |
//! | calls that run at the same time | one statement and one commit each | share a statement and a commit |
//! | 64 refreshes at once | a third to a half as many a second | |
//!
//! Use that crate if more than some thousand refreshes a second reach the database, or if each commit is slow; use this one if you have a
//! `PgPool` already. An active user refreshes once in eight minutes, so a thousand refreshes a second are half a million active users.
//!
//! # How it works
//!
//! - Opening creates the table, or migrates it to the newest version, under a lock: several servers may start at the same
//!   time. A migration that waits for a second for a transaction which uses the table gives up
//!   ([`OpenErrorKind::Locked`]), as all other queries of the table wait behind it. Nothing has then changed; open the store
//!   again. If the table is up to date, the store needs `SELECT`, `INSERT`, `UPDATE` and `DELETE` on it, `SELECT` on the table
//!   of its version (`sessions_version`), `USAGE` on the schema, and no other right.
//! - Each call is one prepared statement on one connection of the pool, outside of any transaction of the application. Before it the
//!   store asks the server, in a round trip of its own, whether a transaction is open on that connection, and rolls it back: the driver
//!   gives a connection back in one if the application stops waiting while a transaction begins, as a handler does whose client is
//!   gone. A logout would otherwise be acknowledged and never committed. The driver adds a round trip before that
//!   (`test_before_acquire`, on by default) and one when the connection returns to the pool.
//! - So a handler commits its own transaction first, and then logs in or ends sessions. Otherwise it needs two connections at once, which can exhaust
//!   the pool; a claims source that reads through the pool does not see the open transaction; and a rollback does not undo what the store did.
//! - The store needs a tokio runtime, in which its methods must be called.
//! - A call fails at the time limit ([`SqlxOptions::with_timeout`]), or earlier if the pool's `acquire_timeout` is shorter. The
//!   driver repeats attempts to connect until then. Set `acquire_timeout` to less than the middleware's `backend_timeout`
//!   (2 s), so that the failure names its cause.
//! - A call that is dropped leaves nothing behind: its connection returns to the pool when the server has answered, and a transaction has been
//!   rolled back, or is closed at the time limit. So a server that vanished does not keep the places of the pool.
//! - After a failure the store recovers by itself: the connections of failed calls are closed, except where the server rejected a value,
//!   and the next call has another one.
//! - No write is repeated that may have been executed. A call is sent a second time, on another connection, only if the
//!   server reports *before any part of a reply* that it closed the first connection (`57P01`, `57P02`, `57P05`), for
//!   example because an administrator terminated it or it was idle for too long. The statement then had no effect. If a
//!   connection breaks without such a report, the call fails with
//!   [`Unavailable`](tower_refresh_core::StoreErrorKind::Unavailable).
//! - The [feed](tower_refresh_core::SessionStore::watch_feed) of ended sessions and outdated claims uses `LISTEN`, with one connection per
//!   watcher beside those of the pool, made with the options of the pool. Its hooks, such as `after_connect`, do not run there. At the
//!   start and then every 5 seconds the store sends a notification through the pool; if it does not arrive within the time
//!   limit, the feed fails. The feed also fails when the pool is closed.
//!
//! # TLS
//!
//! TLS is that of your pool. The driver's default, `sslmode=prefer`, continues without it if the server offers none, or if an attacker on the path
//! says so, and `require` does not check the server's certificate. Across a network use `sslmode=verify-full`, with a feature of
//! `sqlx` that has TLS, such as `tls-rustls`.
//!
//! # Durability
//!
//! | write | waits for |
//! |---|---|
//! | login | what the database's `synchronous_commit` requires |
//! | rotation | the same; nothing with [`with_lossy_rotations`](SqlxOptions::with_lossy_rotations) |
//! | session end, outdated claims | the disk of the primary, and of the synchronous standbys if there are any, even if `synchronous_commit` is `off` or `local` |
//!
//! With `fsync = off` nothing is durable, and the store cannot detect that. What a failover can lose is described in
//! [`tower-refresh-postgres`](https://docs.rs/tower-refresh-postgres/latest/tower_refresh_postgres/#failover). The pool must lead to the
//! primary: the driver has no `target_session_attrs`. A connection to a former primary, which is read-only now, is closed at
//! the first write that fails.
//!
//! # Poolers
//!
//! | PgBouncer | the store | the feed |
//! |---|---|---|
//! | `pool_mode = session` | no setting needed | no setting needed |
//! | `pool_mode = transaction`, 1.21 and later with `max_prepared_statements` | no setting needed | [`with_feed`] past PgBouncer |
//! | `pool_mode = transaction`, earlier or without | [`with_unnamed_statements`], or a pool with `statement_cache_capacity(0)` | [`with_feed`] past PgBouncer |
//! | `pool_mode = statement` | opening fails | |
//!
//! ```no_run
//! # use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
//! # use tower_refresh_sqlx::SqlxOptions;
//! # async fn open() -> Result<(), Box<dyn std::error::Error>> {
//! // PgBouncer rejects this parameter of the driver, unless it has `ignore_startup_parameters = extra_float_digits`.
//! let options = "postgresql://app@localhost:6432/app".parse::<PgConnectOptions>()?.extra_float_digits(None);
//! let store = SqlxOptions::new()
//!     .with_unnamed_statements()
//!     .with_feed("postgresql://app@localhost:5432/app".parse()?)
//!     .open(PgPoolOptions::new().connect_with(options).await?)
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! PgBouncer in transaction mode gives each transaction another connection to the server. A prepared statement then does not exist
//! where it is executed, or is another client's of the same name. Opening checks that, and fails with
//! [`OpenErrorKind::PreparedStatementsUnsupported`]. A `LISTEN` is lost: without a direct connection the feed is down, and its
//! error says so. Do not leave it like that: the driver fails any statement of a pool that meets a notification. The first,
//! third and fourth line were tested with PgBouncer 1.18.
//!
//! [`with_feed`]: SqlxOptions::with_feed
//! [`with_unnamed_statements`]: SqlxOptions::with_unnamed_statements
//!
//! # Other roles of the database
//!
//! - The statements qualify every name, so no function, operator or type of another role is used, whatever the search path that the
//!   pool's connections have. Only opening sets it, for its transaction.
//! - Opening checks the owners of the schema, of the two tables, and of the functions, operators and types that their triggers, indexes,
//!   defaults, constraints, rules and policies use. Each must be the role that the pool connects as, the owner of the database, a
//!   superuser, or named with [`with_trusted_owner`](SqlxOptions::with_trusted_owner); otherwise opening fails with
//!   [`OpenErrorKind::UntrustedOwner`]. What is granted or created later is checked when the store is opened again.
//! - Every role that may connect to the database can send notifications on the channel of the feed.
//!
//! # Limits
//!
//! - The database must use UTF-8, with `read committed` as its `default_transaction_isolation`; otherwise opening fails.
//! - Text with U+0000 is rejected, as PostgreSQL cannot store it.
//! - PostgreSQL 12 or later, and the tokio runtime.

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
    options::SqlxOptions,
    store::SqlxStore,
};
