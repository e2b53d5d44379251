//! What can be wrong with a configuration.

use std::{error::Error, fmt};

use tower_refresh_core::PolicyError;

use crate::keys::KeyError;

/// A setting that [`AuthBuilder::build`](super::AuthBuilder::build) refuses.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// A key.
    InvalidKey(KeyError),
    /// The rotation policy.
    InvalidPolicy(PolicyError),
    /// No issuer, or an empty, overlong or non-printable one.
    InvalidIssuer,
    /// No audience, or an empty one.
    InvalidAudience,
    /// No store.
    MissingStore,
    /// No claims source.
    MissingClaims,
    /// Both channels of the access token are off.
    NoTransport,
    /// The access token's response header is one that HTTP or the middleware uses otherwise.
    #[non_exhaustive]
    InvalidAccessHeader {
        /// The name that was given.
        name: String,
    },
    /// Not an origin: `scheme://host`, with a port unless it is the scheme's default, all lower case.
    #[non_exhaustive]
    InvalidTrustedOrigin {
        /// What was given.
        origin: String,
    },
    /// A cookie name is no token (RFC 6265 §4.1.1), has a prefix of its own, or both are the same.
    InvalidCookieName,
    /// The cookie domain is not a host name.
    InvalidCookieDomain,
    /// The store's time limit is zero.
    InvalidBackendTimeout,
    /// Dead sessions are kept for less than the access lifetime and 60 s.
    InvalidDeadSessionRetention,
    /// The token cache is for more than 2^24 tokens.
    InvalidTokenCacheCapacity,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidKey(_) => f.write_str("invalid key"),
            Self::InvalidPolicy(_) => f.write_str("invalid rotation policy"),
            Self::InvalidIssuer => {
                f.write_str("the issuer must be given: printable ASCII, at most 1024 characters")
            }
            Self::InvalidAudience => f.write_str("the audience must be given"),
            Self::MissingStore => f.write_str("a session store must be given"),
            Self::MissingClaims => f.write_str("a claims source must be given"),
            Self::NoTransport => f.write_str("the access token needs a channel: header, cookie or both"),
            Self::InvalidAccessHeader { name } => {
                write!(f, "`{name}` cannot be the access token's response header")
            }
            Self::InvalidTrustedOrigin { origin } => {
                write!(f, "`{origin}` is not an origin such as https://app.example.com")
            }
            Self::InvalidCookieName => {
                f.write_str("the cookie names must be two different tokens without a prefix")
            }
            Self::InvalidCookieDomain => f.write_str("the cookie domain must be a host name"),
            Self::InvalidBackendTimeout => f.write_str("the store's time limit must not be zero"),
            Self::InvalidTokenCacheCapacity => {
                f.write_str("the token cache must be for 16 777 216 tokens at most")
            }
            Self::InvalidDeadSessionRetention => {
                f.write_str("dead sessions must be kept for the access lifetime and 60 s at least")
            }
        }
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::InvalidKey(error) => Some(error),
            Self::InvalidPolicy(error) => Some(error),
            _ => None,
        }
    }
}

impl From<KeyError> for ConfigError {
    fn from(error: KeyError) -> Self {
        Self::InvalidKey(error)
    }
}

impl From<PolicyError> for ConfigError {
    fn from(error: PolicyError) -> Self {
        Self::InvalidPolicy(error)
    }
}
