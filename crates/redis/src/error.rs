//! The errors of opening a store, and the conversion of the driver's errors.

use std::{error::Error, fmt};

use redis::{ErrorKind, RedisError};
use tower_refresh_core::{StoreError, StoreErrorKind};

/// Why a store could not be opened.
///
/// `Display` describes this level only; the driver's error is the [`source`](Error::source).
#[derive(Debug)]
pub struct OpenError {
    kind: OpenErrorKind,
    rights: Vec<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kinds of [`OpenError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OpenErrorKind {
    /// The URL is not one of those that [`Server::url`](crate::Server::url) accepts, or requires TLS without the feature for it.
    InvalidUrl,
    /// The prefix is empty, longer than 64 bytes, or has characters other than ASCII letters, digits, `_`, `-`, `.` and `:`.
    InvalidPrefix,
    /// A duration among the options is shorter than a millisecond.
    InvalidOption,
    /// The URL leads across a network without TLS: see [`Server::insecure_url`](crate::Server::insecure_url).
    TlsRequired,
    /// The server cannot be reached, or does not answer in time.
    Unavailable,
    /// The Redis user lacks rights that the store needs ([`OpenError::missing_rights`]).
    MissingRights,
    /// The server lacks a command that the store needs: it is older than Redis 7.0, or cannot wait for disks although
    /// [`with_wait_for_disks`](crate::RedisOptions::with_wait_for_disks) asks for it.
    UnsupportedServer,
}

impl OpenError {
    /// The kind of failure.
    pub fn kind(&self) -> OpenErrorKind {
        self.kind
    }

    /// The rights that the Redis user lacks, as `ACL SETUSER` takes them, such as `+evalsha`, `~tower-refresh:s:*` or
    /// `&tower-refresh:ended`. Empty unless the kind is [`MissingRights`](OpenErrorKind::MissingRights).
    pub fn missing_rights(&self) -> &[String] {
        &self.rights
    }

    pub(crate) fn with_source(kind: OpenErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, rights: Vec::new(), source: Some(source.into()) }
    }

    pub(crate) fn lacking(rights: Vec<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: OpenErrorKind::MissingRights, rights, source: Some(source.into()) }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            OpenErrorKind::InvalidUrl if cfg!(feature = "rustls") => "invalid Redis URL",
            OpenErrorKind::InvalidUrl => "invalid Redis URL: `rediss://` needs the feature `rustls`, which is not enabled",
            OpenErrorKind::InvalidPrefix => {
                "invalid key prefix: only ASCII letters, digits, `_`, `-`, `.` and `:` are allowed, up to 64"
            }
            OpenErrorKind::InvalidOption => "invalid option: a duration must be at least one millisecond",
            OpenErrorKind::TlsRequired => {
                "connecting across a network requires TLS: use `rediss://`, or opt out with `Server::insecure_url`"
            }
            OpenErrorKind::Unavailable => "the Redis server cannot be reached",
            OpenErrorKind::MissingRights => {
                return write!(f, "the Redis user lacks the rights {}", self.rights.join(" "));
            }
            OpenErrorKind::UnsupportedServer => "the Redis server does not support a command that the store needs",
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
        Self { kind, rights: Vec::new(), source: None }
    }
}

/// The store's error for an error of the driver.
pub(crate) fn store_error(error: RedisError) -> StoreError {
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
