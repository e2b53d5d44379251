//! What can go wrong, when connecting and later.

use std::{error::Error, fmt};

use redis::{ErrorKind, RedisError};
use tower_refresh_core::{StoreError, StoreErrorKind};

/// Why a store could not be connected.
///
/// `Display` tells this level only; the driver's own error is the [`source`](Error::source).
#[derive(Debug)]
pub struct ConnectError {
    kind: ConnectErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kinds of [`ConnectError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectErrorKind {
    /// The URL is not one of those that [`Server::url`](crate::Server::url) takes, or asks for TLS without a feature for it.
    InvalidUrl,
    /// The URL goes across a network without TLS: see [`Server::insecure_url`](crate::Server::insecure_url).
    TlsRequired,
    /// The prefix is empty, longer than 64 bytes, or has other characters than ASCII letters, digits, `_`, `-`, `.` and `:`.
    InvalidPrefix,
    /// An option is zero that must not be.
    InvalidOption,
    /// The server cannot be reached, or does not answer in time.
    Unavailable,
}

impl ConnectError {
    /// What kind of failure it was.
    pub fn kind(&self) -> ConnectErrorKind {
        self.kind
    }

    pub(crate) fn caused(kind: ConnectErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: Some(source.into()) }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ConnectErrorKind::InvalidUrl => "this is not the URL of a Redis server",
            ConnectErrorKind::TlsRequired => {
                "across a network the Redis server must be reached by TLS, unless the URL is taken by `insecure_url`"
            }
            ConnectErrorKind::InvalidPrefix => "this cannot be the prefix of keys",
            ConnectErrorKind::InvalidOption => "an option of the session store must not be zero",
            ConnectErrorKind::Unavailable => "the Redis server cannot be reached",
        })
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<ConnectErrorKind> for ConnectError {
    fn from(kind: ConnectErrorKind) -> Self {
        Self { kind, source: None }
    }
}

/// What a call of the store makes of the driver's error.
pub(crate) fn failed(error: RedisError) -> StoreError {
    let kind = match error.code() {
        Some("UNREADABLE" | "WRONGTYPE") => StoreErrorKind::Corrupt,
        _ if matches!(error.kind(), ErrorKind::Parse | ErrorKind::UnexpectedReturnType) => {
            StoreErrorKind::Corrupt
        }
        _ if error.is_timeout() => StoreErrorKind::TimedOut,
        _ => StoreErrorKind::Unavailable,
    };
    StoreError::with_source(kind, error)
}
