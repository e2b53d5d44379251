//! What can go wrong, when opening and later.

use std::{error::Error, fmt, io, sync::Arc};

use rusqlite::ErrorCode;
use tower_refresh_core::{StoreError, StoreErrorKind};

/// Why a file of sessions could not be opened.
///
/// `Display` tells this level only; the error of SQLite or of the operating system is the [`source`](Error::source).
#[derive(Debug)]
pub struct OpenError {
    kind: OpenErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kinds of [`OpenError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OpenErrorKind {
    /// The file cannot be created, read or written, another process holds its lock for too long, or there are no more
    /// threads.
    Unavailable,
    /// The file is no SQLite database, or a damaged one.
    Corrupt,
    /// The file is the database of another application.
    Foreign,
    /// The file was written by a newer version of this crate.
    Newer,
}

impl OpenError {
    /// What kind of failure it was.
    pub fn kind(&self) -> OpenErrorKind {
        self.kind
    }

    fn caused(kind: OpenErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: Some(source.into()) }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            OpenErrorKind::Unavailable => "the session file cannot be opened",
            OpenErrorKind::Corrupt => "the session file is not a database, or is damaged",
            OpenErrorKind::Foreign => "the session file is the database of another application",
            OpenErrorKind::Newer => "the session file was written by a newer version of tower-refresh-sqlite",
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

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::caused(OpenErrorKind::Unavailable, error)
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        let kind = match store_error_kind(&error) {
            StoreErrorKind::Corrupt => OpenErrorKind::Corrupt,
            _ => OpenErrorKind::Unavailable,
        };
        Self::caused(kind, error)
    }
}

/// One failure, which may be that of many writes.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    kind: StoreErrorKind,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl From<StoreErrorKind> for Failure {
    fn from(kind: StoreErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self { kind: store_error_kind(&error), source: Some(Arc::new(error)) }
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

fn store_error_kind(error: &rusqlite::Error) -> StoreErrorKind {
    match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..) => StoreErrorKind::Corrupt,
        error => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreErrorKind::Corrupt,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreErrorKind::TimedOut,
            _ => StoreErrorKind::Unavailable,
        },
    }
}
