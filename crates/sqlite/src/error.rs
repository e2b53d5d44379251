//! Errors when opening a file and later.

use std::{error::Error, fmt, io};

use rusqlite::ErrorCode;
use tower_refresh_core::{StoreError, StoreErrorKind};

/// A session file could not be opened.
///
/// `Display` describes only this error; the error of SQLite or of the operating system is the
/// [`source`](Error::source).
#[derive(Debug)]
pub struct OpenError {
    kind: OpenErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kinds of [`OpenError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OpenErrorKind {
    /// The file cannot be created, read or written, another process keeps it locked, or a thread could not be started.
    Unavailable,
    /// The file is not a SQLite database, or is corrupted.
    Corrupt,
    /// The file is the database of another application.
    Foreign,
    /// A newer version of this crate wrote the file.
    Newer,
    /// The file is empty or has an older version, and [`SqliteOptions::with_read_only`](crate::SqliteOptions::with_read_only) does not
    /// migrate it.
    NotMigrated,
    /// The path is that of a database in memory.
    InMemory,
    /// The path is empty, or is a URL that does not name a session file.
    InvalidPath,
}

impl OpenError {
    /// The kind of failure.
    pub fn kind(&self) -> OpenErrorKind {
        self.kind
    }

    pub(crate) fn with_source(kind: OpenErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: Some(source.into()) }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            OpenErrorKind::Unavailable => "the session file cannot be opened",
            OpenErrorKind::Corrupt => "the session file is not a database, or is corrupted",
            OpenErrorKind::Foreign => "the session file is the database of another application",
            OpenErrorKind::Newer => "the session file was written by a newer version of tower-refresh-sqlite",
            OpenErrorKind::NotMigrated => {
                "the session file is empty or has an older version: open it without `with_read_only` first"
            }
            OpenErrorKind::InMemory => {
                "the session store needs a file; for sessions in memory, use tower_refresh::MemoryStore"
            }
            OpenErrorKind::InvalidPath => "the path of the session file is invalid",
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
        Self::with_source(OpenErrorKind::Unavailable, error)
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        let kind = match store_error_kind(&error) {
            StoreErrorKind::Corrupt => OpenErrorKind::Corrupt,
            _ => OpenErrorKind::Unavailable,
        };
        Self::with_source(kind, error)
    }
}

/// The error of the store for an error of SQLite.
pub(crate) fn store_error(error: rusqlite::Error) -> StoreError {
    StoreError::with_source(store_error_kind(&error), error)
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
