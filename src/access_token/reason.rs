//! Why a token is not good.

use std::{error::Error, fmt};

/// Why an access token was refused. The first reason in the order of the checks counts.
///
/// Clients are told no more than `invalid_token`; this is for logs and for the rejection's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidTokenReason {
    /// Longer than 8192 bytes.
    TooLarge,
    /// Not three segments of canonical base64url, or not JSON in them.
    Malformed,
    /// The header asks for something we do not do: `crit`, or `b64: false`.
    UnsupportedHeader,
    /// The header's `typ` is not `at+jwt` (RFC 9068 §2.1).
    WrongType,
    /// The header names no key of the ring by `kid`.
    UnknownKey,
    /// The header's `alg` is not that of the key.
    WrongAlgorithm,
    /// The signature is not the key's.
    BadSignature,
    /// A member occurs twice in one object.
    DuplicateMember,
    /// `iss` is not the configured issuer.
    WrongIssuer,
    /// `aud` does not have the configured audience.
    WrongAudience,
    /// A standard claim is missing or not what it has to be.
    BadClaims,
    /// `nbf` lies in the future.
    NotYetValid,
    /// The other claims do not fit the application's type.
    BadCustomClaims,
    /// Expired, and not refreshed.
    Expired,
    /// Its session has ended.
    Revoked,
}

impl InvalidTokenReason {
    /// The stable name that logs and metrics show.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::UnsupportedHeader => "unsupported_header",
            Self::WrongType => "wrong_type",
            Self::UnknownKey => "unknown_key",
            Self::WrongAlgorithm => "wrong_algorithm",
            Self::BadSignature => "bad_signature",
            Self::DuplicateMember => "duplicate_member",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::BadClaims => "bad_claims",
            Self::NotYetValid => "not_yet_valid",
            Self::BadCustomClaims => "bad_custom_claims",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for InvalidTokenReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::TooLarge => "the access token is too long",
            Self::Malformed => "the access token is malformed",
            Self::UnsupportedHeader => "the access token's header asks for something unsupported",
            Self::WrongType => "the token is not an access token",
            Self::UnknownKey => "the access token is signed by an unknown key",
            Self::WrongAlgorithm => "the access token names another algorithm than its key's",
            Self::BadSignature => "the access token's signature is wrong",
            Self::DuplicateMember => "the access token has a member twice",
            Self::WrongIssuer => "the access token is another issuer's",
            Self::WrongAudience => "the access token is for another audience",
            Self::BadClaims => "a standard claim of the access token is missing or wrong",
            Self::NotYetValid => "the access token is not valid yet",
            Self::BadCustomClaims => "the access token's own claims do not fit their type",
            Self::Expired => "the access token has expired",
            Self::Revoked => "the access token's session has ended",
        })
    }
}

impl Error for InvalidTokenReason {}
