//! Sets how a store is opened: names, connections, the time limit and the feed.

use std::time::Duration;

use tokio_postgres::{
    Config, Socket,
    tls::{MakeTlsConnect, TlsConnect},
};

use crate::connection::{self, ListenConnector};

/// Options of a [`PostgresStore`](crate::PostgresStore), for when [`PostgresStore::connect`](crate::PostgresStore::connect)
/// does not fit.
///
/// # Defaults
/// | option | default | reason |
/// |---|---|---|
/// | schema, table | `tower_refresh`, `sessions` | no other application uses this name |
/// | connections | 10 | batches need few, whatever the load |
/// | time limit | 5 s | longer than the middleware's own limit, which decides how long a request waits |
/// | rotations | as durable as the database's `synchronous_commit` | a rotation that is lost costs nothing, see [`with_lossy_rotations`](Self::with_lossy_rotations) |
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    pub(crate) schema: String,
    pub(crate) table: String,
    pub(crate) connections: usize,
    pub(crate) timeout: Duration,
    pub(crate) lossy_rotations: bool,
    pub(crate) feed: Option<ListenConnector>,
}

impl PostgresOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            schema: "tower_refresh".into(),
            table: "sessions".into(),
            connections: 10,
            timeout: Duration::from_secs(5),
            lossy_rotations: false,
            feed: None,
        }
    }

    /// The schema of the table. It is created if it does not exist.
    ///
    /// A name consists of ASCII letters, digits and underscores, and is case-sensitive. Other names are an error on
    /// opening.
    #[must_use]
    pub fn with_schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// The name of the table. The names of its indexes, and of a second table for its version, begin with it.
    #[must_use]
    pub fn with_table(mut self, name: impl Into<String>) -> Self {
        self.table = name.into();
        self
    }

    /// The maximum number of connections, at least 1. Each watcher of the feed has one more. Has no effect on
    /// [a pool of your own](Self::connect_pool).
    #[must_use]
    pub fn with_connections(mut self, max: usize) -> Self {
        self.connections = max.max(1);
        self
    }

    /// How long a statement may take, including the wait for a connection. After that it fails and its connection is
    /// closed, which is how the store recovers from a server that vanished without closing its connections.
    #[must_use]
    pub fn with_timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Rotations no longer wait for the disk (`synchronous_commit = off`), which saves the time of one disk write each.
    ///
    /// A crash of the database server then loses the rotations of its last moments (three times `wal_writer_delay`,
    /// 0.6 s by default). This neither loses nor ends a session: the browser's token is one generation ahead of the store,
    /// which the rotation protocol accepts. Logins and session ends still wait.
    #[must_use]
    pub fn with_lossy_rotations(mut self) -> Self {
        self.lossy_rotations = true;
        self
    }

    /// How the feed of ended sessions connects if the store is opened on [a pool](Self::connect_pool): a pool's connections
    /// do not receive notifications. Without it such a store has no feed. The other opening methods set it themselves.
    #[must_use]
    pub fn with_feed<T>(mut self, mut config: Config, tls: T) -> Self
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        connection::harden(&mut config, self.timeout);
        self.feed = Some(ListenConnector::new(config, tls));
        self
    }
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self::new()
    }
}
