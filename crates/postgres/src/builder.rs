//! How a store is opened.

use std::{fmt, time::Duration};

use deadpool_postgres::Pool;
use tokio_postgres::{
    Config, NoTls, Socket,
    tls::{MakeTlsConnect, TlsConnect},
};

use crate::{
    OpenError, PostgresStore,
    connect::{self, Dial},
    database::Database,
    name::Table,
    schema,
    statements::Statements,
};

/// Settings of a [`PostgresStore`].
///
/// # Defaults
/// - [`schema`](Self::schema) `tower_refresh`, [`table`](Self::table) `sessions`: nobody else's table has this name.
/// - [`connections`](Self::connections) 10: groups need a few, whatever the load.
/// - [`time_limit`](Self::time_limit) 5 s: longer than the middleware's own limit, which decides what a request waits.
/// - Rotations are as durable as the database's `synchronous_commit` makes them.
#[derive(Debug)]
#[must_use = "a builder opens nothing by itself"]
pub struct PostgresBuilder {
    schema: String,
    table: String,
    connections: usize,
    time_limit: Duration,
    lossy_rotations: bool,
    dial: Option<Dial>,
}

impl Default for PostgresBuilder {
    fn default() -> Self {
        Self {
            schema: "tower_refresh".into(),
            table: "sessions".into(),
            connections: 10,
            time_limit: Duration::from_secs(5),
            lossy_rotations: false,
            dial: None,
        }
    }
}

impl PostgresBuilder {
    /// The schema of the table. It is created where it is missing.
    ///
    /// Names are of ASCII letters, digits and underscores, and case counts; others are an error on opening.
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// The table; names of indexes, and of a second table for the version, begin with it.
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = name.into();
        self
    }

    /// How many connections there are at most, one for the feed not counted. Without effect on a pool of your own.
    pub fn connections(mut self, most: usize) -> Self {
        self.connections = most.max(1);
        self
    }

    /// How long one statement may take, the wait for a connection included. Then it fails, and its connection is closed:
    /// only so does the store recover from a server that vanished without a word.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Rotations no longer wait for the disk (`synchronous_commit = off`), which makes them faster by what a disk takes.
    ///
    /// A crash of the database's server then loses the rotations of its last moments (three times `wal_writer_delay`,
    /// 0.6 s by default). No session is lost or ended by it: the browser's token is one generation ahead of the store,
    /// and the rotation protocol follows it. Logins and ends still wait.
    pub fn with_lossy_rotations(mut self) -> Self {
        self.lossy_rotations = true;
        self
    }

    /// How the feed of ends connects when the store is opened [on a pool](Self::pool): a connection of a pool does not
    /// hear notifications. Without it such a store has no feed.
    pub fn feed<T>(mut self, mut config: Config, tls: T) -> Self
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        connect::harden(&mut config, self.time_limit);
        self.dial = Some(Dial::new(config, tls));
        self
    }

    /// Opens the database at `url` without TLS, and brings the table to the newest version.
    ///
    /// Across a network that has to be what you want: the URL says `sslmode=disable`, or it is an error. For TLS see
    /// [`connect_with`](Self::connect_with).
    ///
    /// # Errors
    /// If the URL cannot be read or asks for TLS, a name is not allowed, the database cannot be reached, or the table is
    /// not of this crate or of a newer version.
    pub async fn connect(self, url: &str) -> Result<PostgresStore, OpenError> {
        self.connect_with(connect::without_tls(url)?, NoTls).await
    }

    /// As [`connect`](Self::connect), with TLS by the connector, such as that of `tokio-postgres-rustls` or
    /// `postgres-native-tls`.
    ///
    /// Across a network `sslmode=prefer`, the driver's default, is taken for `require`, so that nobody in between talks
    /// both sides out of TLS. Only a primary is connected to (`target_session_attrs=read-write`). Where the
    /// configuration is silent on `keepalives_idle`, `tcp_user_timeout` and `connect_timeout`, there are limits of
    /// seconds.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_with<T>(self, mut config: Config, tls: T) -> Result<PostgresStore, OpenError>
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send + Sync,
        T::TlsConnect: Send + Sync,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        connect::harden(&mut config, self.time_limit);
        let pool = connect::pool(config.clone(), tls.clone(), self.connections)?;
        self.feed(config, tls).pool(pool).await
    }

    /// As [`connect`](Self::connect), on a pool that you have. Its connections lead to a primary, never to a replica,
    /// which may lag. There is a feed of ends if [`feed`](Self::feed) was called.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn pool(self, pool: Pool) -> Result<PostgresStore, OpenError> {
        let table = Table::new(self.schema, self.table)?;
        schema::migrate(&mut pool.get().await?, &table).await?;
        let statements = Statements::new(&table, self.lossy_rotations);
        let database = Database { pool, statements, time_limit: self.time_limit };
        Ok(PostgresStore::new(database, self.dial))
    }
}

impl fmt::Debug for Dial {
    /// Not the configuration, which holds a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dial")
    }
}
