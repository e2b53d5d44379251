//! Sessions of [`tower-refresh`](https://docs.rs/tower-refresh) in Redis or Valkey: one node, Sentinel or Cluster, for as many
//! servers as share it.
//!
//! ```no_run
//! use tower_refresh_core::{SessionHandle, SessionRow, SessionStore, Subject, Timestamp};
//! use tower_refresh_redis::RedisStore;
//!
//! # async {
//! let login = Timestamp::from_secs(4_000_000_000);
//! let expiry = Timestamp::from_secs(4_000_600_000);
//! let row = SessionRow::new(SessionHandle::from_bytes([7; 16]), "alice".into(), login, expiry, expiry);
//!
//! let store = RedisStore::connect("redis://127.0.0.1:6379").await?;
//! store.create(&row).await?;
//! assert_eq!(store.list(&Subject::new("alice"), login).await?, [row]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # };
//! ```
//!
//! It needs Redis 7.0 or newer, or Valkey, and a tokio runtime.
//!
//! # How it works
//! | key | |
//! |---|---|
//! | `{prefix}:s:{handle}` | a session: one string of about 200 bytes, in a format of which the first byte tells the version |
//! | `{prefix}:u:{subject}` | the handles of a subject's sessions, a sorted set |
//! | `{prefix}:ends` | the ends of late, a stream |
//! | `{prefix}:ended` | no key, but the channel on which ends are told |
//!
//! A load is a `GET`. A compare-and-swap, an end and a login are scripts that touch one key each, so that a Cluster runs them,
//! and compare numbers as bytes. All calls share one connection, on which they do not wait for each other. One that broke is
//! replaced, and what was on its way is asked again: each write carries a number of its own, by which a repetition knows that
//! the first was done. A call that has no answer after [the time limit](Options::with_time_limit) fails.
//!
//! Where two keys are written, the order makes a crash between them harmless. A login writes the subject's list first: a list
//! that names a session which is not there is read as if it did not. An end is noted in the log first, and whoever reads the
//! log looks whether the session did end.
//!
//! # Expiry
//! Redis itself removes a session's row when the session has been dead for [the retention](Options::with_retention), by its own
//! clock. [`purge_dead`](tower_refresh_core::SessionStore::purge_dead) then has nothing to do and says so at once; asked to
//! remove more than that, it looks through all keys, some hundreds at a time.
//!
//! Rows are gone early if Redis evicts them: the server must have **`maxmemory-policy noeviction`**. With any other policy it
//! throws out sessions when its memory is full, and who had one must log in again. With `noeviction` logins and refreshes
//! fail then, until there is room. A session takes about 550 bytes, its place in the list included, when it has a user agent
//! of 100 bytes and is its subject's only one.
//!
//! # Durability
//! What was acknowledged survives the crash of a server as far as the server is told to keep it:
//!
//! | setting of Redis | what a crash loses |
//! |---|---|
//! | `appendonly yes`, `appendfsync always` | nothing |
//! | `appendonly yes`, `appendfsync everysec` (Redis' default, once it appends) | nothing if the process is killed; up to two seconds of writes if the machine stops |
//! | `save …` only (Redis' default) | everything since the last snapshot, minutes or an hour |
//!
//! A lost write is a refresh that is repeated, a login that has to be; or an end that did not happen: **a session that was
//! logged out or revoked lives again** until it expires. The middleware's servers go on to refuse its access tokens for as long
//! as they run and these live, and its refresh token works again.
//!
//! # Failover
//! Redis replicates after it has answered. When a primary is lost and its replica takes over, by Sentinel or in a Cluster, the
//! last writes are lost that the replica had not got: milliseconds of them as a rule, more if the replica lagged, and all that
//! an isolated primary still took before it noticed (`min-replicas-to-write`, `cluster-node-timeout`). For ends there is
//! [`Options::with_wait`]: an end is acknowledged only once so many replicas have it, and is an error otherwise. **The default
//! does not wait**: an acknowledged end is on the primary, and as durable as the primary is. Even with it the wrong replica may
//! take over, one that does not have the end, if there are several and not all were waited for; and the log's entry is on
//! another node of a Cluster, which is not waited for.
//!
//! Until the replica has taken over, calls fail within the time limit. The store finds the new primary by itself, asking
//! Sentinel or the other nodes, also where the old one does not answer but has not closed its connections either.
//!
//! # The feed
//! Ends are told on a channel in the same step as they are written, and every store [that
//! watches](tower_refresh_core::SessionStore::watch_ends) has a connection for it. Who joins or comes back reads the log of [the
//! last hour](Options::with_feed_window) first. Nodes of a Cluster may lose messages among themselves without a word, so those who
//! watch read on in the log once a second. The connection is asked for a sign of life as often, and given up when there is none.
//! A user of Redis' access control lists needs the right to the channel as well as to the keys.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod cluster;
mod connection;
mod end;
mod error;
mod feed;
mod inner;
mod keys;
mod link;
mod list;
mod log;
mod options;
mod purge;
mod request;
mod row;
mod scripts;
mod server;
mod store;
mod url;

pub use redis;

pub use self::{
    error::{ConnectError, ConnectErrorKind},
    options::Options,
    server::Server,
    store::RedisStore,
};
