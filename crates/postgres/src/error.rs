//! The errors of opening a store, and the conversion of the driver's errors.

use std::{error::Error, fmt};

use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;
use tower_refresh_core::{StoreError, StoreErrorKind};
use tower_refresh_postgres_schema::SchemaError;

/// Why a store could not be opened.
///
/// `Display` describes this level only; the driver's error is the [`source`](Error::source).
#[derive(Debug)]
pub struct OpenError {
    kind: OpenErrorKind,
    detail: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kinds of [`OpenError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OpenErrorKind {
    /// The URL is not a PostgreSQL URL.
    InvalidUrl,
    /// The name of the schema or of the table is too long, or has characters other than ASCII letters, digits and `_`.
    InvalidName,
    /// The URL leads across a network without TLS, and does not say `sslmode=disable`: see
    /// [`PostgresOptions::connect_with`](crate::PostgresOptions::connect_with).
    TlsRequired,
    /// The server cannot be reached, or rejected a statement.
    Unavailable,
    /// There is a table of that name, and it belongs to another application.
    Foreign,
    /// The table was written by a newer version of this crate.
    Newer,
    /// The database's encoding is not UTF-8, or its default isolation level is not `read committed`.
    Unsuitable,
    /// Another role owns the schema, the table, or a function that the table executes, and
    /// [`PostgresOptions::with_trusted_owner`](crate::PostgresOptions::with_trusted_owner) does not name it. `Display` names
    /// both.
    UntrustedOwner,
    /// A migration waited for a second for a transaction that uses the table, and gave up. Nothing has changed; open the store
    /// again.
    Locked,
    /// The table does not exist or has an older version, and [`PostgresOptions::with_read_only`](crate::PostgresOptions::with_read_only)
    /// does not migrate it.
    NotMigrated,
    /// A pooler, such as PgBouncer in transaction mode, does not support prepared statements: see
    /// [`PostgresOptions::with_unnamed_statements`](crate::PostgresOptions::with_unnamed_statements).
    PreparedStatementsUnsupported,
}

impl OpenError {
    /// The kind of failure.
    pub fn kind(&self) -> OpenErrorKind {
        self.kind
    }

    pub(crate) fn with_source(kind: OpenErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, detail: None, source: Some(source.into()) }
    }

    /// `what` belongs to the role `owner`.
    fn untrusted_owner(what: &str, owner: &str) -> Self {
        let detail = format!(
            "{what} belongs to the role {owner:?}, which can read and change every session; \
             if it may, name it with `PostgresOptions::with_trusted_owner`"
        );
        Self { detail: Some(detail), ..OpenErrorKind::UntrustedOwner.into() }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(detail) = &self.detail {
            return f.write_str(detail);
        }
        f.write_str(match self.kind {
            OpenErrorKind::InvalidUrl => "invalid PostgreSQL URL",
            OpenErrorKind::InvalidName => {
                "invalid schema or table name: only ASCII letters, digits and `_` are allowed, up to the length limit"
            }
            OpenErrorKind::TlsRequired => {
                "connecting across a network requires TLS: use a TLS connector, or opt out with `sslmode=disable`"
            }
            OpenErrorKind::Unavailable => "the session database cannot be opened",
            OpenErrorKind::Foreign => "the session table belongs to another application",
            OpenErrorKind::Newer => {
                "the session table was written by a newer version of tower-refresh-postgres"
            }
            OpenErrorKind::Unsuitable => {
                "the session database must use UTF-8 and `read committed` as its default isolation level"
            }
            OpenErrorKind::UntrustedOwner => "the session table belongs to a role that is not trusted",
            OpenErrorKind::Locked => {
                "the session table could not be migrated, as another transaction uses it: nothing has changed, try again"
            }
            OpenErrorKind::NotMigrated => {
                "the session table does not exist or has an older version: open it with a role that may migrate it first"
            }
            OpenErrorKind::PreparedStatementsUnsupported => {
                "the connections go through a pooler that does not support prepared statements, such as PgBouncer in \
                 transaction mode: connect directly, or use `PostgresOptions::with_unnamed_statements`"
            }
        })
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<OpenErrorKind> for OpenError {
    fn from(kind: OpenErrorKind) -> Self {
        Self { kind, detail: None, source: None }
    }
}

impl From<SchemaError> for OpenError {
    fn from(error: SchemaError) -> Self {
        match error {
            SchemaError::InvalidName => OpenErrorKind::InvalidName.into(),
            SchemaError::Foreign => OpenErrorKind::Foreign.into(),
            SchemaError::Newer => OpenErrorKind::Newer.into(),
            SchemaError::NotMigrated => OpenErrorKind::NotMigrated.into(),
            SchemaError::Unsuitable => OpenErrorKind::Unsuitable.into(),
            SchemaError::UntrustedOwner { what, owner } => Self::untrusted_owner(&what, &owner),
            error => Self::with_source(OpenErrorKind::Unavailable, error),
        }
    }
}

impl From<tokio_postgres::Error> for OpenError {
    fn from(error: tokio_postgres::Error) -> Self {
        let kind = match error.code() {
            Some(&SqlState::LOCK_NOT_AVAILABLE) => OpenErrorKind::Locked,
            _ => OpenErrorKind::Unavailable,
        };
        Self::with_source(kind, error)
    }
}

impl From<PoolError> for OpenError {
    fn from(error: PoolError) -> Self {
        Self::with_source(OpenErrorKind::Unavailable, error)
    }
}

/// The store's error for an error of a statement or a connection.
pub(crate) fn store_error(error: tokio_postgres::Error) -> StoreError {
    let kind = match error.code() {
        Some(&SqlState::QUERY_CANCELED | &SqlState::LOCK_NOT_AVAILABLE) => StoreErrorKind::TimedOut,
        _ => StoreErrorKind::Unavailable,
    };
    StoreError::with_source(kind, error)
}

/// As [`store_error`], for the pool.
pub(crate) fn pool_error(error: PoolError) -> StoreError {
    match error {
        PoolError::Backend(error) => store_error(error),
        PoolError::Timeout(_) => StoreError::with_source(StoreErrorKind::TimedOut, error),
        error => StoreError::with_source(StoreErrorKind::Unavailable, error),
    }
}
