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
//! | `{prefix}:i:{subject}` | the index of a subject's sessions: a sorted set of handles, by login |
//! | `{prefix}:ends` | the log of recently ended sessions and outdated claims: a stream |
//! | `{prefix}:ended` | not a key, but the channel on which both are published |
//! | `{prefix}:u:{subject}` | an index of the first version |
//!
//! A load is a `GET`. Every write is a script. Each touches one key only, so that it works in a
//! Cluster, and compares numbers as bytes. All calls share one connection, on which they do not wait for each other. If the
//! connection breaks, it is replaced, and the requests in progress are sent again. Each write carries a unique number, by which a
//! repetition recognizes that the first request was executed. A call without an answer within
//! [the time limit](RedisOptions::with_timeout) fails.
//!
//! Two keys are written in an order that makes a crash between them harmless. A login writes the subject's index first: a handle
//! in the index without a session is ignored, and removed when it has been there for a minute. A session end is appended to the log first: readers of the log check whether the
//! session was ended. The same applies to outdated claims, whose entry has the epoch that the session is about to get. The end of a
//! session that has ended or does not exist writes nothing, so that logouts with a dead token do
//! not fill the log; with [`RedisOptions::with_wait_for_replicas`] it writes the row once more, unchanged, in order to wait again.
//!
//! A page of a [list](tower_refresh_core::SessionStore::list) reads as many rows as it returns, and a few more if some of those
//! sessions have ended. [`end_subject`](tower_refresh_core::SessionStore::end_subject) ends up to a thousand sessions per call. If
//! a call fails half-way, it returns those that it ended, and the next call reports the failure if it persists.
//!
//! # Rights
//! A user of Redis' access control lists needs at least these rights, in which the prefix is the default one. The store tries each of
//! them when it is opened, in a way that changes nothing, and names those that are missing
//! ([`OpenError::missing_rights`]):
//!
//! ```text
//! redis-cli ACL SETUSER tower on '>secret' resetchannels '&tower-refresh:ended' '~tower-refresh:*' \
//!     +ping +time +scan +get +mget +getrange +exists +zrange +zrem +xrange '+xinfo|stream' +subscribe +publish \
//!     '+script|load' +evalsha +set +setrange +pexpireat +unlink +zadd +zscore +zremrangebyscore +zcount \
//!     +zrandmember +pexpiretime +xadd
//! ```
//!
//! A store that is opened [`with_read_only`](RedisOptions::with_read_only), for a service that only follows ended sessions, needs these:
//!
//! ```text
//! redis-cli ACL SETUSER reader on '>secret' resetchannels '&tower-refresh:ended' \
//!     '%R~tower-refresh:s:*' '%R~tower-refresh:ends' +ping +time +get +getrange +exists +xrange '+xinfo|stream' +subscribe
//! ```
//!
//! In a Cluster it also needs `+cluster|slots` and `+asking`, and the same rights on each node; with a database other than 0 `+select`; with
//! [`RedisOptions::with_wait_for_replicas`] `+wait`, and with [`RedisOptions::with_wait_for_disks`] `+waitaof`. If the user loses the
//! right to publish later, sessions can still be ended and claims outdated, and other servers read of it in the log within a second.
//!
//! # Upgrades
//! Rows of format 1, which the first version wrote, are read, and their first swap rewrites them in format 2. Servers of the first
//! version cannot read those: stop all, then start the new version. The index of the first version is converted by the first call
//! that reads it. Fields of rows and of notices, reasons and kinds of notices that a later version adds are ignored, and a swap keeps
//! the fields of the row. A row in a format after 2 is an error.
//!
//! # Expiry
//! Redis removes a session's row when the session has been dead for [the retention](RedisOptions::with_retention), by its own
//! clock. [`purge_dead`](tower_refresh_core::SessionStore::purge_dead) then has nothing to do and returns 0 at once. If it is
//! called for a shorter time, it scans all keys, some hundreds at a time. The handles of rows that Redis removed leave the index when
//! it is read; while an index of more than 32 sessions grows, every sixteenth login examines 64 of them.
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
//! rejecting its access tokens as long as they run and these tokens are valid. After a lost call that outdated claims, servers that
//! start later accept access tokens with the old claims until they expire; the next refresh loads the new ones.
//!
//! # Failover
//! Redis replicates asynchronously. If a primary is lost and its replica takes over, through Sentinel or in a Cluster, the writes
//! that the replica lacks are lost: usually milliseconds, more if the replica lagged, and everything that an isolated primary
//! accepted before it noticed (`min-replicas-to-write`, `cluster-node-timeout`).
//!
//! With [`RedisOptions::with_wait_for_replicas`], a session end is acknowledged only after that many replicas have it, and is an
//! error otherwise. **The default does not wait**: an acknowledged end is on the primary, and as durable as the primary is. Even
//! with this option, a replica that lacks the end may take over, if there are more replicas than the option waits for. In a
//! Cluster, the log's entry is on another node, which the option does not wait for. The sessions that one call of `end_subject` ends
//! wait together. If the replicas do not have them in time, the call returns them nevertheless, and the next call waits for them
//! again: only a call that returns none acknowledges that all are on the replicas. A call that outdates claims does not wait: nothing is
//! ended, and old claims last at most as long as an access token.
//!
//! In a Cluster, the index of a subject and the rows of its sessions are on several nodes. A failover of the index's node may lose the
//! entry of a recent login whose row is kept. Until that session is refreshed, which adds the entry again, it is not listed, and **the
//! end of all sessions of its subject misses it**. On one node and with Sentinel this cannot happen: the index is written first, and
//! replicas receive all writes in order.
//!
//! Until the replica has taken over, calls fail within the time limit. The store finds the new primary by itself, through Sentinel
//! or the other nodes, even if the old primary does not answer but has not closed its connections either.
//!
//! # Moving slots
//! Slots of a Cluster may move while sessions are in use: no call fails because of that, and no session is lost. A request is redirected to
//! the node that has its row, and a node that lacks a script gets it. The store keeps connections to the nodes itself. The driver's
//! [connection to a Cluster](redis::cluster_async) can stop until a time limit ends: while it reads the new topology it sends nothing, and
//! the lock that it needs for this may be kept by a request that is not sent either. So avoid [`Server::with_cluster_connection`] where
//! slots move under load.
//!
//! # The feed
//! An ended session, and one with outdated claims, is published on a channel in the same step as its row is written, and each
//! [watcher](tower_refresh_core::SessionStore::watch_feed) has a connection for it. A watcher that joins or reconnects first reads
//! the log of [the last hour](RedisOptions::with_feed_window). The nodes of a Cluster may lose messages without notice, so a
//! watcher also reads new entries of the log once a second. It probes its connection as often, and fails if there is no answer.
//!
//! A message is one byte for its kind, 16 for the handle, and 8 for the time in milliseconds. The kind of a session end is 1; that of
//! outdated claims is 2, and 4 bytes for the epoch follow. Numbers are big-endian. An entry of the log has the fields `h` and `t` with
//! the handle and the time, and one of outdated claims also `k`, which is `stale`, and `n` with the epoch. More bytes and fields, and
//! other kinds, are left to later versions, and ignored.
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
