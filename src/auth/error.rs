//! Configuration errors.

use std::{error::Error, fmt};

use tower_refresh_core::PolicyError;

use crate::{keys::KeyError, login_page::InvalidLoginPage};

/// A setting that [`AuthBuilder::build`](super::AuthBuilder::build) rejects.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// A key is invalid.
    InvalidKey(KeyError),
    /// The rotation policy is invalid.
    InvalidPolicy(PolicyError),
    /// The issuer is missing, empty, too long or not printable.
    InvalidIssuer,
    /// The audience is missing or empty.
    InvalidAudience,
    /// No store was set.
    MissingStore,
    /// No claims source was set.
    MissingClaims,
    /// Both transports of the access token are off.
    NoTransport,
    /// The response header for the access token is reserved: HTTP or the middleware uses it for something else.
    #[non_exhaustive]
    InvalidAccessHeader {
        /// The name of the header.
        name: String,
    },
    /// A trusted origin is not an origin: `scheme://host`, with a port unless it is the default of the scheme, in lower case.
    #[non_exhaustive]
    InvalidTrustedOrigin {
        /// The text that is not an origin.
        origin: String,
    },
    /// A cookie name is not a token (RFC 6265 §4.1.1) or has a prefix, or both names are the same.
    InvalidCookieName,
    /// The cookie domain is not a host name.
    InvalidCookieDomain,
    /// The backend timeout is zero.
    InvalidBackendTimeout,
    /// The retention of dead sessions is shorter than the access lifetime plus 60 s.
    InvalidDeadSessionRetention,
    /// The token cache capacity exceeds 2^24 tokens.
    InvalidTokenCacheCapacity,
    /// The login page is not a path of this site.
    InvalidLoginPage(InvalidLoginPage),
    /// The maximum number of sessions is zero, so no login could succeed.
    InvalidMaxSessions,
    /// Device binding needs the access cookie: without it, the browser does not know when to refresh.
    DeviceBindingWithoutAccessCookie,
    /// Device binding needs `Secure` cookies.
    DeviceBindingWithInsecureCookies,
    /// Device binding needs cookies without a domain: other hosts could replace the cookie that the browser watches.
    DeviceBindingWithCookieDomain,
    /// Device binding needs an access lifetime of at least 5 minutes.
    AccessLifetimeTooShortForDeviceBinding,
    /// The path of the device routes, or an excluded path, is not an absolute path in plain ASCII, has a dot segment, an empty one or a
    /// wildcard, or excludes everything.
    #[non_exhaustive]
    InvalidDevicePath {
        /// The text that is not such a path.
        path: String,
    },
    /// The device routes or excluded paths were set without device binding, so they would change nothing.
    DevicePathsWithoutDeviceBinding,
    /// [`Verifier`](crate::Verifier): neither `jwks` nor `keys` was set, or no key.
    MissingKeys,
    /// [`Verifier`](crate::Verifier): both `jwks` and `keys` were set.
    TwoKeySources,
    /// [`Verifier`](crate::Verifier): no algorithm is allowed.
    NoAlgorithm,
    /// [`Verifier`](crate::Verifier): the algorithms for a JWK set contain a symmetric one, whose key is never in such a set.
    SymmetricJwksAlgorithm,
    /// [`Verifier`](crate::Verifier): a key has an algorithm that is not allowed.
    KeyOfOtherAlgorithm,
    /// [`Verifier`](crate::Verifier): the time limit of a fetch is zero or longer than 30 s.
    InvalidFetchTimeout,
    /// [`Verifier`](crate::Verifier): `refresh_every` is shorter than 30 s, or longer than `stale_for`.
    InvalidKeyAge,
    /// [`Verifier`](crate::Verifier): the leeway is longer than 60 s.
    InvalidLeeway,
    /// [`Verifier`](crate::Verifier): the lifetime of access tokens is zero.
    InvalidAccessLifetime,
    /// [`Verifier`](crate::Verifier): an accepted `typ` is empty.
    InvalidTyp,
    /// [`Verifier`](crate::Verifier): a claim with scope tokens is empty, or a standard claim with another meaning.
    InvalidScopeClaim,
    /// [`Verifier`](crate::Verifier): `ended_sessions` and `without_session_id` were both set, so the end of a session would change nothing.
    EndedSessionsWithoutSessionId,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidKey(_) => f.write_str("invalid key"),
            Self::InvalidPolicy(_) => f.write_str("invalid rotation policy"),
            Self::InvalidIssuer => {
                f.write_str("the issuer is required: printable ASCII, at most 1024 characters")
            }
            Self::InvalidAudience => f.write_str("the audience is required"),
            Self::MissingStore => f.write_str("a session store is required"),
            Self::MissingClaims => f.write_str("a claims source is required"),
            Self::NoTransport => f.write_str("the access token needs a transport: header, cookie or both"),
            Self::InvalidAccessHeader { name } => {
                write!(f, "`{name}` cannot be the response header for the access token")
            }
            Self::InvalidTrustedOrigin { origin } => {
                write!(f, "`{origin}` is not an origin such as https://app.example.com")
            }
            Self::InvalidCookieName => {
                f.write_str("the cookie names must be two distinct tokens without a prefix")
            }
            Self::InvalidCookieDomain => f.write_str("the cookie domain must be a host name"),
            Self::InvalidBackendTimeout => f.write_str("the backend timeout must not be zero"),
            Self::InvalidLoginPage(_) => f.write_str("invalid login page"),
            Self::InvalidTokenCacheCapacity => {
                f.write_str("the token cache capacity must be at most 16 777 216 tokens")
            }
            Self::InvalidMaxSessions => f.write_str("the maximum number of sessions must not be zero"),
            Self::DeviceBindingWithoutAccessCookie => f.write_str("device binding needs the access cookie"),
            Self::DeviceBindingWithInsecureCookies => f.write_str("device binding needs `Secure` cookies"),
            Self::DeviceBindingWithCookieDomain => {
                f.write_str("device binding needs cookies without a domain")
            }
            Self::AccessLifetimeTooShortForDeviceBinding => {
                f.write_str("device binding needs an access lifetime of at least 5 minutes")
            }
            Self::InvalidDevicePath { path } => {
                write!(
                    f,
                    "`{}` is not a path such as /auth/device: not `/` alone, and without wildcards",
                    path.escape_debug()
                )
            }
            Self::DevicePathsWithoutDeviceBinding => {
                f.write_str("`device_routes` and `device_excluded_paths` need `device_binding`")
            }
            Self::MissingKeys => f.write_str("keys are required: `jwks` or `keys`"),
            Self::TwoKeySources => f.write_str("set either `jwks` or `keys`, not both"),
            Self::NoAlgorithm => f.write_str("an algorithm is required"),
            Self::SymmetricJwksAlgorithm => f.write_str("the keys of a JWK set have no symmetric algorithm"),
            Self::KeyOfOtherAlgorithm => f.write_str("a key has an algorithm that is not allowed"),
            Self::InvalidFetchTimeout => {
                f.write_str("the time limit of a fetch must be more than zero and at most 30 s")
            }
            Self::InvalidKeyAge => {
                f.write_str("`refresh_every` must be at least 30 s, and `stale_for` at least `refresh_every`")
            }
            Self::InvalidLeeway => f.write_str("the leeway must be at most 60 s"),
            Self::InvalidAccessLifetime => f.write_str("the lifetime of access tokens must not be zero"),
            Self::InvalidTyp => f.write_str("an accepted `typ` must not be empty"),
            Self::InvalidScopeClaim => f.write_str(
                "a claim with scope tokens must not be empty or a standard claim with another meaning",
            ),
            Self::EndedSessionsWithoutSessionId => {
                f.write_str("`ended_sessions` needs the session id: remove `without_session_id`")
            }
            Self::InvalidDeadSessionRetention => {
                f.write_str("the retention of dead sessions must be at least the access lifetime plus 60 s")
            }
        }
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::InvalidKey(error) => Some(error),
            Self::InvalidPolicy(error) => Some(error),
            Self::InvalidLoginPage(error) => Some(error),
            _ => None,
        }
    }
}

impl From<KeyError> for ConfigError {
    fn from(error: KeyError) -> Self {
        Self::InvalidKey(error)
    }
}

impl From<InvalidLoginPage> for ConfigError {
    fn from(error: InvalidLoginPage) -> Self {
        Self::InvalidLoginPage(error)
    }
}

impl From<PolicyError> for ConfigError {
    fn from(error: PolicyError) -> Self {
        Self::InvalidPolicy(error)
    }
}
