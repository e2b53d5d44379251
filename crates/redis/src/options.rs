//! How a store is connected.

use std::time::Duration;

use crate::{ConnectError, ConnectErrorKind, RedisStore, Server};

/// How a store is connected and what it keeps, where [`RedisStore::connect`] does not fit.
///
/// # Defaults
/// | | | because |
/// |---|---|---|
/// | prefix | `tower-refresh` | several applications may share a server, each with a prefix of its own |
/// | retention | 24 h | ended sessions are told from unknown ones, and clocks may differ by hours |
/// | time limit | 1.5 s | less than the 2 s after which the middleware gives up |
/// | feed window | 1 h | several times the default life of an access token |
/// | wait for replicas | none | each end would wait for the slowest of them |
///
/// ```no_run
/// use std::time::Duration;
/// use tower_refresh_redis::{Options, Server};
///
/// # async {
/// let store = Options::new()
///     .with_prefix("shop")
///     .with_wait(1, Duration::from_millis(500))
///     .connect(Server::insecure_url("redis+cluster://10.0.0.1,10.0.0.2,10.0.0.3")?)
///     .await?;
/// # Ok::<(), tower_refresh_redis::ConnectError>(())
/// # };
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) prefix: String,
    pub(crate) retention: Duration,
    pub(crate) time_limit: Duration,
    pub(crate) feed_window: Duration,
    pub(crate) wait: Option<Wait>,
}

/// What is waited for after each end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub(crate) replicas: u32,
    pub(crate) timeout: Duration,
    pub(crate) on_disk: bool,
}

impl Options {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            prefix: "tower-refresh".to_owned(),
            retention: Duration::from_secs(24 * 60 * 60),
            time_limit: Duration::from_millis(1500),
            feed_window: Duration::from_secs(60 * 60),
            wait: None,
        }
    }

    /// What every key begins with: up to 64 ASCII letters, digits, `_`, `-`, `.` and `:`. All servers of an application need
    /// the same, and no other application one that begins with it and a colon.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long after a session's death Redis keeps its row. At least as long as the middleware's own setting, and at least
    /// as long as an access token lives.
    #[must_use]
    pub fn with_retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// After this long without an answer a call fails with
    /// [`TimedOut`](tower_refresh_core::StoreErrorKind::TimedOut), and a server that has answered to nobody meanwhile is
    /// connected anew. Less than the middleware's own limit.
    #[must_use]
    pub fn with_time_limit(mut self, time_limit: Duration) -> Self {
        self.time_limit = time_limit;
        self
    }

    /// How long ends are kept for servers that [join the feed](tower_refresh_core::SessionStore::watch_ends) later. At least
    /// the life of an access token and some minutes: a server that asks for more than is there is refused, and goes without.
    #[must_use]
    pub fn with_feed_window(mut self, feed_window: Duration) -> Self {
        self.feed_window = feed_window;
        self
    }

    /// Acknowledges an end only once this many replicas have it, too (`WAIT`): a failover to one of these then keeps it. If
    /// they do not have it within `timeout`, the end fails with [`TimedOut`](tower_refresh_core::StoreErrorKind::TimedOut),
    /// and the session is ended on the primary all the same; the end can be repeated, which waits again.
    #[must_use]
    pub fn with_wait(mut self, replicas: u32, timeout: Duration) -> Self {
        self.wait = Some(Wait { replicas, timeout, on_disk: false });
        self
    }

    /// As [`with_wait`](Self::with_wait), and the primary and the replicas have synced it to their disks (`WAITAOF`, which
    /// Redis 7.2 and Valkey know, and which needs `appendonly yes`).
    #[must_use]
    pub fn with_wait_for_disks(mut self, replicas: u32, timeout: Duration) -> Self {
        self.wait = Some(Wait { replicas, timeout, on_disk: true });
        self
    }

    /// Connects.
    ///
    /// # Errors
    /// If an option is not possible, or the server cannot be reached ([`ConnectError::kind`]).
    pub async fn connect(self, server: Server) -> Result<RedisStore, ConnectError> {
        RedisStore::open(self, server).await
    }

    pub(crate) fn check(&self) -> Result<(), ConnectError> {
        let least = Duration::from_millis(1);
        let waits = self.wait.is_none_or(|wait| wait.timeout >= least);
        if waits && [self.retention, self.time_limit, self.feed_window].iter().all(|time| *time >= least) {
            return Ok(());
        }
        Err(ConnectErrorKind::InvalidOption.into())
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}
