//! What can go wrong, when opening and later.

use std::{error::Error, fmt, sync::Arc};

use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;
use tower_refresh_core::{StoreError, StoreErrorKind};

/// Why a store could not be opened.
///
/// `Display` tells this level only; the driver's own error is the [`source`](Error::source).
#[derive(Debug)]
pub struct OpenError {
    kind: OpenErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kinds of [`OpenError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OpenErrorKind {
    /// The URL cannot be read.
    InvalidUrl,
    /// The name of the schema or of the table is not of ASCII letters, digits and underscores, or too long.
    InvalidName,
    /// The URL leads over a network and does not say `sslmode=disable`: a connector for TLS is needed.
    TlsRequired,
    /// The server cannot be reached, or refused a statement.
    Unavailable,
    /// There is a table of that name which is not of this crate.
    Foreign,
    /// The table was written by a newer version of this crate.
    Newer,
    /// The database is not encoded in UTF-8, or its default isolation level is not `read committed`.
    Unsuitable,
}

impl OpenError {
    /// What kind of failure it was.
    pub fn kind(&self) -> OpenErrorKind {
        self.kind
    }

    pub(crate) fn caused(kind: OpenErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: Some(source.into()) }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            OpenErrorKind::InvalidUrl => "the URL of the session database cannot be read",
            OpenErrorKind::InvalidName => {
                "the names of schema and table are of ASCII letters, digits and underscores, not too long"
            }
            OpenErrorKind::TlsRequired => {
                "a session database across a network needs a TLS connector, or sslmode=disable"
            }
            OpenErrorKind::Unavailable => "the session database cannot be opened",
            OpenErrorKind::Foreign => "the session table is that of another application",
            OpenErrorKind::Newer => {
                "the session table was written by a newer version of tower-refresh-postgres"
            }
            OpenErrorKind::Unsuitable => {
                "the session database has to be in UTF-8, and read committed its default isolation level"
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
        Self { kind, source: None }
    }
}

impl From<tokio_postgres::Error> for OpenError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::caused(OpenErrorKind::Unavailable, error)
    }
}

impl From<PoolError> for OpenError {
    fn from(error: PoolError) -> Self {
        Self::caused(OpenErrorKind::Unavailable, error)
    }
}

/// One failure, which may be that of a whole group.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    kind: StoreErrorKind,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Failure {
    pub(crate) fn caused(kind: StoreErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: Some(source.into().into()) }
    }
}

impl From<StoreErrorKind> for Failure {
    fn from(kind: StoreErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let kind = match error.code() {
            Some(&SqlState::QUERY_CANCELED | &SqlState::LOCK_NOT_AVAILABLE) => StoreErrorKind::TimedOut,
            _ => StoreErrorKind::Unavailable,
        };
        Self::caused(kind, error)
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            PoolError::Timeout(_) => Self::caused(StoreErrorKind::TimedOut, error),
            error => Self::caused(StoreErrorKind::Unavailable, error),
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure.source {
            Some(source) => Self::with_source(failure.kind, Shared(source)),
            None => Self::new(failure.kind),
        }
    }
}

/// Stands for the error that it shares with others.
struct Shared(Arc<dyn Error + Send + Sync>);

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Shared {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
