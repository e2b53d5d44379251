//! What can be wrong with a configuration.

use std::{error::Error, fmt};

use tower_refresh_core::PolicyError;

use crate::keys::KeyError;

/// A setting that [`AuthBuilder::build`](super::AuthBuilder::build) refuses.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// A key.
    Key(KeyError),
    /// The rotation policy.
    Policy(PolicyError),
    /// No issuer, or an empty, overlong or non-printable one.
    Issuer,
    /// No audience, or an empty one.
    Audience,
    /// No store.
    StoreMissing,
    /// No claims source.
    ClaimsMissing,
    /// Both channels of the access token are off.
    NoChannel,
    /// The access token's response header is one that HTTP or the middleware uses otherwise.
    #[non_exhaustive]
    AccessHeader {
        /// The name that was given.
        name: String,
    },
    /// Not an origin: `scheme://host`, with a port unless it is the scheme's default, all lower case.
    #[non_exhaustive]
    TrustedOrigin {
        /// What was given.
        origin: String,
    },
    /// A cookie name is no token (RFC 6265 §4.1.1), has a prefix of its own, or both are the same.
    CookieName,
    /// The cookie domain is not a host name.
    CookieDomain,
    /// The store's time limit is zero.
    StoreTimeLimit,
    /// Dead sessions are kept for less than the access lifetime and 60 s.
    KeepDead,
    /// The token cache is for more than 2^24 tokens.
    TokenCache,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(_) => f.write_str("a key is not in order"),
            Self::Policy(_) => f.write_str("the rotation policy is not in order"),
            Self::Issuer => f.write_str("the issuer must be given: printable ASCII, at most 1024 characters"),
            Self::Audience => f.write_str("the audience must be given"),
            Self::StoreMissing => f.write_str("a session store must be given"),
            Self::ClaimsMissing => f.write_str("a claims source must be given"),
            Self::NoChannel => f.write_str("the access token needs a channel: header, cookie or both"),
            Self::AccessHeader { name } => write!(f, "`{name}` cannot be the access token's response header"),
            Self::TrustedOrigin { origin } => {
                write!(f, "`{origin}` is not an origin such as https://app.example.com")
            }
            Self::CookieName => f.write_str("the cookie names must be two different tokens without a prefix"),
            Self::CookieDomain => f.write_str("the cookie domain must be a host name"),
            Self::StoreTimeLimit => f.write_str("the store's time limit must not be zero"),
            Self::TokenCache => f.write_str("the token cache must be for 16 777 216 tokens at most"),
            Self::KeepDead => {
                f.write_str("dead sessions must be kept for the access lifetime and 60 s at least")
            }
        }
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Key(error) => Some(error),
            Self::Policy(error) => Some(error),
            _ => None,
        }
    }
}

impl From<KeyError> for ConfigError {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}

impl From<PolicyError> for ConfigError {
    fn from(error: PolicyError) -> Self {
        Self::Policy(error)
    }
}
