//! Opens a store: connects, and migrates the table.

use deadpool_postgres::Pool;
use tokio_postgres::{
    Config, NoTls, Socket,
    tls::{MakeTlsConnect, TlsConnect},
};
use tower_refresh_postgres_schema::Table;

use crate::{
    connection::{self, Feed, ListenConnector},
    database::Database,
    error::OpenError,
    options::PostgresOptions,
    store::PostgresStore,
    table::{check, migrate, statements},
};

impl PostgresStore {
    /// Opens the database at `url` with the default [options](PostgresOptions), as [`PostgresOptions::connect`] does.
    ///
    /// # Errors
    /// As for [`PostgresOptions::connect`].
    pub async fn connect(url: &str) -> Result<Self, OpenError> {
        PostgresOptions::new().connect(url).await
    }
}

impl PostgresOptions {
    /// Opens the database at `url` without TLS, and migrates the table to the newest version.
    ///
    /// A URL that leads across a network must say `sslmode=disable`, or it is an error. For TLS see
    /// [`connect_with`](Self::connect_with).
    ///
    /// # Errors
    /// If the URL is invalid or requires TLS, a name is invalid, the database cannot be reached or is unsuitable, or the
    /// table belongs to another application, to a newer version of this crate or to an untrusted role
    /// ([`OpenError::kind`]).
    pub async fn connect(mut self, url: &str) -> Result<PostgresStore, OpenError> {
        self.feed = self.feed.without_tls(self.timeout)?;
        self.connect_with(connection::parse_url_without_tls(url)?, NoTls).await
    }

    /// As [`connect`](Self::connect), using a TLS connector such as that of `tokio-postgres-rustls` or
    /// `postgres-native-tls`.
    ///
    /// Across a network `sslmode=prefer`, the driver's default, is treated as `require`, so that an attacker on the path
    /// cannot disable TLS. Only a primary is connected to (`target_session_attrs=read-write`). If the configuration does not
    /// set `keepalives_idle`, `tcp_user_timeout` or `connect_timeout`, the store sets them to some seconds.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    pub async fn connect_with<T>(self, mut config: Config, tls: T) -> Result<PostgresStore, OpenError>
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send + Sync,
        T::TlsConnect: Send + Sync,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        let table = Table::new(self.schema.clone(), self.table.clone())?;
        connection::harden(&mut config, self.timeout);
        let pool = connection::pool(config.clone(), tls.clone(), self.connections)?;
        let connector = ListenConnector::new(config, tls.clone());
        if !self.unnamed_statements {
            connection::check_prepared_statements(&pool, &connector, self.timeout).await?;
        }
        let feed = match &self.feed {
            Feed::AsStore => connector,
            Feed::Url(url) => ListenConnector::new(url.parse(self.timeout)?, tls),
            Feed::Connector(connector) => connector.clone(),
        };
        self.open(pool, &table, Some(feed)).await
    }

    /// As [`connect`](Self::connect), on a pool of your own. Its connections must lead to a primary, never to a replica,
    /// which may lag. None may come back to the pool in an open transaction, as one with a `BEGIN` of your own does whose caller
    /// stopped waiting (`Client::transaction` rolls back): what the store writes there is not committed. The store has a feed of ended sessions only if [`with_feed_url`](Self::with_feed_url) or
    /// [`with_feed`](Self::with_feed) was called. If the connections go through a pooler, read
    /// [`with_unnamed_statements`](Self::with_unnamed_statements).
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    pub async fn connect_pool(self, pool: Pool) -> Result<PostgresStore, OpenError> {
        let table = Table::new(self.schema.clone(), self.table.clone())?;
        let feed = match self.feed.without_tls(self.timeout)? {
            Feed::Connector(connector) => Some(connector),
            Feed::AsStore | Feed::Url(_) => None,
        };
        self.open(pool, &table, feed).await
    }

    async fn open(
        &self,
        pool: Pool,
        table: &Table,
        feed: Option<ListenConnector>,
    ) -> Result<PostgresStore, OpenError> {
        let mut connection = pool.get().await?;
        if self.read_only {
            check(&mut connection, table, &self.trusted_owners).await?;
        } else {
            migrate(&mut connection, table, &self.trusted_owners).await?;
        }
        drop(connection);
        let statements = statements(table, self.lossy_rotations);
        let unnamed_statements = self.unnamed_statements;
        let database = Database { pool, statements, unnamed_statements, timeout: self.timeout };
        Ok(PostgresStore::new(database, feed))
    }
}
