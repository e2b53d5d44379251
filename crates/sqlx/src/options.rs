//! Sets how a store is opened: names, the time limit and the feed.

use std::{fmt, time::Duration};

use sqlx::postgres::PgConnectOptions;

/// A time so far ahead can be computed on every system.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Options of a [`SqlxStore`](crate::SqlxStore), for when [`SqlxStore::open`](crate::SqlxStore::open) does not fit.
///
/// Their names and their defaults are those of `tower_refresh_postgres::PostgresOptions`, so that both stores use the same table.
///
/// # Defaults
/// | option | default | reason |
/// |---|---|---|
/// | schema, table | `tower_refresh`, `sessions` | no other application uses this name |
/// | time limit | 5 s | longer than the middleware's own limit, which decides how long a request waits |
/// | statements | prepared, unless the pool's cache of statements is off | planned once per connection |
/// | trusted owners | the current role, the database's owner, superusers | an owner can read and change every session |
/// | feed | connects as the pool does | nothing to set up, unless a pooler is in between |
/// | rotations | as durable as the database's `synchronous_commit` | a rotation that is lost costs nothing, see [`with_lossy_rotations`](Self::with_lossy_rotations) |
#[derive(Clone, Debug)]
pub struct SqlxOptions {
    pub(crate) schema: String,
    pub(crate) table: String,
    pub(crate) timeout: Duration,
    pub(crate) lossy_rotations: bool,
    pub(crate) unnamed_statements: bool,
    pub(crate) read_only: bool,
    pub(crate) trusted_owners: Vec<String>,
    pub(crate) feed: Feed,
}

impl SqlxOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            schema: "tower_refresh".into(),
            table: "sessions".into(),
            timeout: Duration::from_secs(5),
            lossy_rotations: false,
            unnamed_statements: false,
            read_only: false,
            trusted_owners: Vec::new(),
            feed: Feed::AsPool,
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

    /// How long a statement may take, including the wait for a connection of the pool. After that it fails and its connection is
    /// closed, which is how the store recovers from a server that vanished without closing its connections.
    ///
    /// If the pool's `acquire_timeout` is shorter, it limits the wait for a connection. More than a year is a year.
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

    /// Executes each statement in a transaction of its own, without a name (a prepared statement that the server keeps). For a pooler
    /// that gives each transaction another connection and does not support prepared statements: PgBouncer in transaction mode before
    /// 1.21, or with `max_prepared_statements = 0`.
    ///
    /// A call is then five round trips instead of two, and the server parses and plans each statement anew. The feed needs a
    /// connection past the pooler: [`with_feed`](Self::with_feed).
    ///
    /// A pool whose cache of statements is off (`PgConnectOptions::statement_cache_capacity(0)`) is used in this way without this
    /// option. Otherwise opening a store through such a pooler fails with
    /// [`PreparedStatementsUnsupported`](crate::OpenErrorKind::PreparedStatementsUnsupported).
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
    /// role that the pool connects as, nor the owner of the database, nor a superuser, nor named here: any role with the right
    /// to create schemas could have created the table before this application did.
    #[must_use]
    pub fn with_trusted_owner(mut self, name: impl Into<String>) -> Self {
        self.trusted_owners.push(name.into());
        self
    }

    /// How the feed of ended sessions connects, by default as the pool does. It must lead to the same database, past any pooler that
    /// gives each transaction another connection, such as PgBouncer in transaction mode.
    #[must_use]
    pub fn with_feed(mut self, options: PgConnectOptions) -> Self {
        self.feed = Feed::Options(Box::new(options));
        self
    }
}

impl Default for SqlxOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// How the feed connects.
#[derive(Clone)]
pub(crate) enum Feed {
    /// With the options that the pool has at that time, as an application may change them.
    AsPool,
    Options(Box<PgConnectOptions>),
}

impl fmt::Debug for Feed {
    /// Omits the options, which contain a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Feed")
    }
}
