//! What the calls of a store have in common: its connection, its keys and scripts, and what is asked through them.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::FromRedisValue;
use tower_refresh_core::{SessionHandle, SessionRow, StoreError, StoreErrorKind, Timestamp};

use crate::{
    ConnectError, ConnectErrorKind, Options, Server, error::failed, keys::Keys, link::Link, options::Wait,
    request::Request, row, scripts::Scripts, server::Route,
};

pub(crate) struct Inner {
    pub(crate) keys: Keys,
    pub(crate) scripts: Scripts,
    pub(crate) link: Link,
    /// A connection of its own for ends that wait for replicas: whatever else is sent on it waits, too.
    pub(crate) waiting: Option<(Wait, Link)>,
    pub(crate) route: Arc<Route>,
    pub(crate) retention: Duration,
    pub(crate) feed_window: Duration,
    pub(crate) purge: Mutex<Position>,
    /// See [`row`]'s writer.
    writers: AtomicU64,
}

/// Where the last purge left off: the primary, and the cursor of its `SCAN`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) primary: usize,
    pub(crate) cursor: u64,
}

impl Inner {
    pub(crate) async fn connect(options: Options, server: Server) -> Result<Self, ConnectError> {
        let keys = Keys::new(&options.prefix)?;
        options.check()?;
        install_crypto();
        let route = Arc::new(server.route);
        let link = Link::new(Arc::clone(&route), server.given, options.time_limit);
        let waiting = options
            .wait
            .map(|wait| (wait, Link::new(Arc::clone(&route), None, options.time_limit + wait.timeout)));
        link.connect().await.map_err(|error| ConnectError::caused(ConnectErrorKind::Unavailable, error))?;
        Ok(Self {
            keys,
            scripts: Scripts::new(),
            link,
            waiting,
            route,
            retention: options.retention,
            feed_window: options.feed_window,
            purge: Mutex::default(),
            writers: AtomicU64::new(RandomState::new().hash_one("writers")),
        })
    }

    pub(crate) async fn ask<T: FromRedisValue>(&self, request: Request<'_>) -> Result<T, StoreError> {
        let answer = self.link.ask(&request).await?;
        redis::from_redis_value(answer).map_err(|error| failed(error.into()))
    }

    pub(crate) fn writer(&self) -> u64 {
        self.writers.fetch_add(1, Ordering::Relaxed)
    }

    /// When Redis may forget what died at `dead_since`.
    pub(crate) fn forgotten_at(&self, dead_since: Timestamp) -> String {
        millis(dead_since.saturating_add(self.retention)).to_string()
    }

    pub(crate) fn decode(&self, handle: SessionHandle, value: &[u8]) -> Result<SessionRow, StoreError> {
        row::decode(handle, value).map_err(|_| StoreError::new(StoreErrorKind::Corrupt))
    }
}

/// The driver leaves the choice to the process, and rustls panics where nobody chose.
fn install_crypto() {
    #[cfg(feature = "rustls")]
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Somebody else may have been faster, which is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
}

/// As many milliseconds as Redis takes for a time: scores of sorted sets, and Lua, are exact up to 2^53.
pub(crate) fn millis(time: Timestamp) -> u64 {
    time.as_millis().clamp(1, (1 << 53) - 1)
}
