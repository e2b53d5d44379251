//! The connection, the keys and the scripts that all calls of a store use.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{FromRedisValue, cmd};
use tower_refresh_core::{SessionHandle, SessionRow, StoreError, StoreErrorKind, Timestamp};

use crate::{
    connection::{Request, Route, SharedConnection, Wait},
    error::store_error,
    keyspace::{Keys, Scripts, row},
};

pub(crate) struct Database {
    pub(crate) keys: Keys,
    pub(crate) scripts: Scripts,
    pub(crate) connection: SharedConnection,
    /// A connection of its own for session ends that wait for replicas: `WAIT` delays every later request of its connection.
    pub(crate) waiting: Option<(Wait, SharedConnection)>,
    pub(crate) route: Arc<Route>,
    pub(crate) retention: Duration,
    pub(crate) feed_window: Duration,
    /// The number of the next writer, see [`row`].
    writers: AtomicU64,
}

impl Database {
    pub(crate) fn new(
        keys: Keys,
        connection: SharedConnection,
        waiting: Option<(Wait, SharedConnection)>,
        route: Arc<Route>,
        retention: Duration,
        feed_window: Duration,
    ) -> Self {
        Self {
            keys,
            scripts: Scripts::new(),
            connection,
            waiting,
            route,
            retention,
            feed_window,
            writers: AtomicU64::new(RandomState::new().hash_one("writers")),
        }
    }

    pub(crate) async fn query<T: FromRedisValue>(&self, request: Request<'_>) -> Result<T, StoreError> {
        let answer = self.connection.send(&request).await?;
        redis::from_redis_value(answer).map_err(|error| store_error(error.into()))
    }

    pub(crate) async fn load(&self, handle: SessionHandle) -> Result<Option<SessionRow>, StoreError> {
        let value = self.value(handle).await?;
        value.map(|value| self.decode(handle, &value)).transpose()
    }

    /// The stored row.
    pub(crate) async fn value(&self, handle: SessionHandle) -> Result<Option<Vec<u8>>, StoreError> {
        let mut get = cmd("GET");
        get.arg(self.keys.row(handle));
        self.query(Request::Command(get)).await
    }

    pub(crate) fn next_writer(&self) -> u64 {
        self.writers.fetch_add(1, Ordering::Relaxed)
    }

    /// When the key of a session that is dead since `dead_since` expires.
    pub(crate) fn key_expiry(&self, dead_since: Timestamp) -> String {
        millis(dead_since.saturating_add(self.retention)).to_string()
    }

    pub(crate) fn decode(&self, handle: SessionHandle, value: &[u8]) -> Result<SessionRow, StoreError> {
        row::decode(handle, value).map_err(|_| StoreError::new(StoreErrorKind::Corrupt))
    }
}

/// Limits a time to what is exact in scores of sorted sets and in Lua: 2^53.
pub(crate) fn millis(time: Timestamp) -> u64 {
    time.as_millis().clamp(1, (1 << 53) - 1)
}
