//! Stores the sessions of [`tower-refresh`](https://docs.rs/tower-refresh) in Redis or Valkey (one node, Sentinel or Cluster),
//! shared by any number of servers.
//!
//! ```no_run
//! use tower_refresh_core::{Page, SessionHandle, SessionRow, SessionStore, Subject, Timestamp};
//! use tower_refresh_redis::RedisStore;
//!
//! # async {
//! let login = Timestamp::from_secs(4_000_000_000);
//! let expiry = Timestamp::from_secs(4_000_600_000);
//! let row = SessionRow::new(SessionHandle::from_bytes([7; 16]), "alice".into(), login, expiry, expiry);
//!
//! let store = RedisStore::connect("redis://127.0.0.1:6379").await?;
//! store.create(&row).await?;
//! assert_eq!(store.list(&Subject::new("alice"), login, Page::first(10_000)).await?, [row]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # };
//! ```
//!
//! It needs Redis 7.0 or newer, or Valkey, and a tokio runtime. For other settings see [`RedisOptions`].
//!
//! # How it works
//! | key | |
//! |---|---|
//! | `{prefix}:s:{handle}` | a session: a string of about 230 bytes, whose first byte is the version of its format |
//! | `{prefix}:u:{subject}` | the index of a subject's sessions: a sorted set of handles |
//! | `{prefix}:ends` | the log of recently ended sessions: a stream |
//! | `{prefix}:ended` | not a key, but the channel on which ended sessions are published |
//!
//! A load is a `GET`. A compare-and-swap, a session end and a login are scripts. Each touches one key only, so that it works in a
//! Cluster, and compares numbers as bytes. All calls share one connection, on which they do not wait for each other. If the
//! connection breaks, it is replaced, and the requests in progress are sent again. Each write carries a unique number, by which a
//! repetition recognizes that the first request was executed. A call without an answer within
//! [the time limit](RedisOptions::with_timeout) fails.
//!
//! Two keys are written in an order that makes a crash between them harmless. A login writes the subject's index first: a handle
//! in the index without a session is ignored. A session end is appended to the log first: readers of the log check whether the
//! session was ended. The end of a session that has ended or does not exist writes nothing, so that logouts with a dead token do
//! not fill the log; with [`RedisOptions::with_wait_for_replicas`] it writes the row once more, unchanged, in order to wait again.
//!
//! # Upgrades
//! Rows of format 1, which the first version wrote, are read, and their first swap rewrites them in format 2. Servers of the first
//! version cannot read those: stop all, then start the new version. Fields of a row, reasons and notices that a later version adds are
//! ignored, and a swap keeps the fields. A row in a format after 2 is an error.
//!
//! # Expiry
//! Redis removes a session's row when the session has been dead for [the retention](RedisOptions::with_retention), by its own
//! clock. [`purge_dead`](tower_refresh_core::SessionStore::purge_dead) then has nothing to do and returns 0 at once. If it is
//! called for a shorter time, it scans all keys, some hundreds at a time.
//!
//! Redis must not evict rows: the server needs **`maxmemory-policy noeviction`**. With any other policy it evicts sessions when
//! its memory is full, and their users must log in again. With `noeviction`, logins and refreshes then fail until there is
//! memory. A session takes about 580 bytes, including its place in the index, if it has a user agent of 100 bytes and is the only
//! one of its subject.
//!
//! # Durability
//! Whether acknowledged writes survive a crash of the server depends on its settings:
//!
//! | Redis settings | lost in a crash |
//! |---|---|
//! | `appendonly yes`, `appendfsync always` | nothing |
//! | `appendonly yes`, `appendfsync everysec` (the default with `appendonly`) | nothing if the process is killed; up to two seconds of writes if the machine stops |
//! | `save …` only (the default) | everything since the last snapshot, minutes or an hour |
//!
//! A lost refresh is repeated, and after a lost login the user logs in again. After a lost session end, **a session that was
//! logged out or revoked is live again** until it expires: its refresh token works again. The servers of the middleware go on
//! rejecting its access tokens as long as they run and these tokens are valid.
//!
//! # Failover
//! Redis replicates asynchronously. If a primary is lost and its replica takes over, through Sentinel or in a Cluster, the writes
//! that the replica lacks are lost: usually milliseconds, more if the replica lagged, and everything that an isolated primary
//! accepted before it noticed (`min-replicas-to-write`, `cluster-node-timeout`).
//!
//! With [`RedisOptions::with_wait_for_replicas`], a session end is acknowledged only after that many replicas have it, and is an
//! error otherwise. **The default does not wait**: an acknowledged end is on the primary, and as durable as the primary is. Even
//! with this option, a replica that lacks the end may take over, if there are more replicas than the option waits for. In a
//! Cluster, the log's entry is on another node, which the option does not wait for.
//!
//! Until the replica has taken over, calls fail within the time limit. The store finds the new primary by itself, through Sentinel
//! or the other nodes, even if the old primary does not answer but has not closed its connections either.
//!
//! # The feed
//! An ended session is published on a channel in the same step as its row is written, and each
//! [watcher](tower_refresh_core::SessionStore::watch_ends) has a connection for it. A watcher that joins or reconnects first reads
//! the log of [the last hour](RedisOptions::with_feed_window). The nodes of a Cluster may lose messages without notice, so a
//! watcher also reads new entries of the log once a second. It probes its connection as often, and fails if there is no answer. A
//! user of Redis' access control lists needs the right to the channel as well as to the keys.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod cluster;
mod connection;
mod database;
mod error;
mod feed;
mod keyspace;
mod open;
mod options;
mod rights;
mod server;
mod sessions;
mod store;

pub use redis;

pub use self::{
    error::{OpenError, OpenErrorKind},
    options::RedisOptions,
    server::Server,
    store::RedisStore,
};
