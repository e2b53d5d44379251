//! Sets how a store is opened: names, connections, the time limit and the feed.

use std::time::Duration;

use tokio_postgres::{
    Config, Socket,
    tls::{MakeTlsConnect, TlsConnect},
};

use crate::connection::{self, Feed, FeedUrl, ListenConnector};

/// Twice this time can be computed on every system.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Options of a [`PostgresStore`](crate::PostgresStore), for when [`PostgresStore::connect`](crate::PostgresStore::connect)
/// does not fit.
///
/// # Defaults
/// | option | default | reason |
/// |---|---|---|
/// | schema, table | `tower_refresh`, `sessions` | no other application uses this name |
/// | connections | 10 | batches need few, whatever the load |
/// | time limit | 5 s | longer than the middleware's own limit, which decides how long a request waits |
/// | statements | prepared | planned once per connection |
/// | trusted owners | the current role, the database's owner, superusers | an owner can read and change every session |
/// | feed | connects as the store does | one URL suffices, unless a pooler is in between |
/// | rotations | as durable as the database's `synchronous_commit` | a rotation that is lost costs nothing, see [`with_lossy_rotations`](Self::with_lossy_rotations) |
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    pub(crate) schema: String,
    pub(crate) table: String,
    pub(crate) connections: usize,
    pub(crate) timeout: Duration,
    pub(crate) lossy_rotations: bool,
    pub(crate) unnamed_statements: bool,
    pub(crate) read_only: bool,
    pub(crate) trusted_owners: Vec<String>,
    pub(crate) feed: Feed,
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
            unnamed_statements: false,
            read_only: false,
            trusted_owners: Vec::new(),
            feed: Feed::AsStore,
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
    /// closed, which is how the store recovers from a server that vanished without closing its connections. More than a year is a
    /// year.
    #[must_use]
    pub fn with_timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit.min(LONGEST_TIMEOUT);
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

    /// Sends each statement with its text, without a name (a prepared statement that the server keeps). For a pooler that gives each
    /// transaction another connection and does not support prepared statements: PgBouncer in transaction mode before 1.21, or
    /// with `max_prepared_statements = 0`.
    ///
    /// The server then parses and plans each statement anew, which takes several times as long as the statement itself. The
    /// feed needs a connection of its own: [`with_feed_url`](Self::with_feed_url).
    ///
    /// Without this option, opening a store through such a pooler fails with
    /// [`PreparedStatementsUnsupported`](crate::OpenErrorKind::PreparedStatementsUnsupported). On
    /// [a pool of your own](Self::connect_pool) that is not checked, and a statement might execute what another client
    /// prepared under its name.
    #[must_use]
    pub fn with_unnamed_statements(mut self) -> Self {
        self.unnamed_statements = true;
        self
    }

    /// Opens the table as it is, and changes nothing: for a service that only follows the feed of ended sessions, such as one with
    /// `tower_refresh::Verifier`. Its role needs `USAGE` on the schema and `SELECT` on the table and on that of its version
    /// (`sessions_version`), and no right to write; calls that write then fail. `LISTEN` and `NOTIFY` need no right.
    ///
    /// Opening fails with [`NotMigrated`](crate::OpenErrorKind::NotMigrated) if there is no table, or an older one. The
    /// [owner](Self::with_trusted_owner) of the table must be named, unless it is the owner of the database.
    #[must_use]
    pub fn with_read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Allows the role `name` to own the schema, the tables and what they execute, for example the role that your migrations run
    /// as. May be called for several roles.
    ///
    /// An owner can read and change every session, and so become any user. Opening therefore fails if the owner is neither the
    /// role that the store connects as, nor the owner of the database, nor a superuser, nor named here: any role with the right
    /// to create schemas could have created the table before this application did.
    #[must_use]
    pub fn with_trusted_owner(mut self, name: impl Into<String>) -> Self {
        self.trusted_owners.push(name.into());
        self
    }

    /// The URL that the feed of ended sessions connects to, by default that of the store. It must lead to the same database, past any
    /// pooler that gives each transaction another connection, such as PgBouncer in transaction mode.
    ///
    /// The feed uses the TLS connector of the store, if there is one. Otherwise a URL that leads across a network must say
    /// `sslmode=disable`. An invalid URL is an error on opening.
    #[must_use]
    pub fn with_feed_url(mut self, url: impl Into<String>) -> Self {
        self.feed = Feed::Url(FeedUrl::new(url.into()));
        self
    }

    /// As [`with_feed_url`](Self::with_feed_url), with a configuration and a TLS connector of its own. A store on
    /// [a pool of your own](Self::connect_pool) has no feed without one of the two, as a pool's connections do not receive
    /// notifications.
    #[must_use]
    pub fn with_feed<T>(mut self, mut config: Config, tls: T) -> Self
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        connection::harden(&mut config, self.timeout);
        self.feed = Feed::Connector(ListenConnector::new(config, tls));
        self
    }
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self::new()
    }
}
