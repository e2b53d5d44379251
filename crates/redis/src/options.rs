//! Sets how a store is opened: the prefix, times, and session ends that wait for replicas.

use std::time::Duration;

use crate::{
    connection::Wait,
    error::{OpenError, OpenErrorKind},
};

/// Options of a [`RedisStore`](crate::RedisStore), for when [`RedisStore::connect`](crate::RedisStore::connect) does not fit.
///
/// # Defaults
/// | option | default | reason |
/// |---|---|---|
/// | prefix | `tower-refresh` | several applications may share a server, each with a prefix of its own |
/// | retention | 24 h | ended sessions are distinguished from unknown ones, and clocks may differ by hours |
/// | time limit | 1.5 s | less than the 2 s after which the middleware gives up |
/// | feed window | 1 h | several times the default lifetime of an access token |
/// | wait for replicas | none | each session end would wait for the slowest of them |
///
/// ```no_run
/// use std::time::Duration;
/// use tower_refresh_redis::{RedisOptions, Server};
///
/// # async {
/// let store = RedisOptions::new()
///     .with_prefix("shop")
///     .with_wait_for_replicas(1, Duration::from_millis(500))
///     .connect(Server::url("rediss+cluster://node-1,node-2,node-3")?) // needs the feature `rustls`
///     .await?;
/// # Ok::<(), tower_refresh_redis::OpenError>(())
/// # };
/// ```
#[derive(Clone, Debug)]
pub struct RedisOptions {
    pub(crate) prefix: String,
    pub(crate) retention: Duration,
    pub(crate) timeout: Duration,
    pub(crate) feed_window: Duration,
    pub(crate) wait: Option<Wait>,
    pub(crate) read_only: bool,
}

impl RedisOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            prefix: "tower-refresh".to_owned(),
            retention: Duration::from_secs(24 * 60 * 60),
            timeout: Duration::from_millis(1500),
            feed_window: Duration::from_secs(60 * 60),
            wait: None,
            read_only: false,
        }
    }

    /// The prefix of every key: up to 64 ASCII letters, digits, `_`, `-`, `.` and `:`. All servers of an application need the
    /// same prefix, and no other application may use one that begins with it and a colon.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long Redis keeps the row of a session after it has ended or expired. At least as long as the middleware's own
    /// setting, and at least the lifetime of an access token.
    #[must_use]
    pub fn with_retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// After this time without an answer, a call fails with [`TimedOut`](tower_refresh_core::StoreErrorKind::TimedOut). If the
    /// server has answered no call meanwhile, the store reconnects. Should be less than the middleware's own limit.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long ended sessions are kept for servers that [join the feed](tower_refresh_core::SessionStore::watch_feed) later.
    /// At least the lifetime of an access token and some minutes: a watcher that asks for an earlier time gets an error, and its
    /// server goes on without the feed.
    #[must_use]
    pub fn with_feed_window(mut self, feed_window: Duration) -> Self {
        self.feed_window = feed_window;
        self
    }

    /// Acknowledges a session end only after this many replicas have it too (`WAIT`), so that a failover to one of them keeps
    /// it. If they do not have it within `timeout`, the call fails with
    /// [`TimedOut`](tower_refresh_core::StoreErrorKind::TimedOut). The session is then ended on the primary nevertheless, and the
    /// call can be repeated, which waits again.
    #[must_use]
    pub fn with_wait_for_replicas(mut self, replicas: u32, timeout: Duration) -> Self {
        self.wait = Some(Wait { replicas, timeout, on_disk: false });
        self
    }

    /// As [`with_wait_for_replicas`](Self::with_wait_for_replicas), after the primary and the replicas have synced it to their
    /// disks (`WAITAOF`). This needs Redis 7.2 or Valkey, and `appendonly yes`.
    #[must_use]
    pub fn with_wait_for_disks(mut self, replicas: u32, timeout: Duration) -> Self {
        self.wait = Some(Wait { replicas, timeout, on_disk: true });
        self
    }

    /// Tries only what the [feed](tower_refresh_core::SessionStore::watch_feed) and a load need: for a service that follows ended
    /// sessions, such as one with `tower_refresh::Verifier`. Its user needs no right to write; calls that write then fail. The
    /// [crate documentation](crate#rights) has the rights. Default: off.
    #[must_use]
    pub fn with_read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let min = Duration::from_millis(1);
        let waits = self.wait.is_none_or(|wait| wait.timeout >= min);
        if waits && [self.retention, self.timeout, self.feed_window].iter().all(|time| *time >= min) {
            return Ok(());
        }
        Err(OpenErrorKind::InvalidOption.into())
    }
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self::new()
    }
}
