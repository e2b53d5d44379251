//! Why an access token is invalid.

use std::{error::Error, fmt};

/// Why an access token is invalid. The first check that fails decides.
///
/// Clients learn only `invalid_token`. The reason is for logs and for the rejection in the response's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidTokenReason {
    /// Longer than 8192 bytes.
    TooLarge,
    /// Not three segments of canonical base64url, or a segment is not JSON.
    Malformed,
    /// The header requires an unsupported extension: `crit`, or `b64: false`.
    UnsupportedHeader,
    /// The header's `typ` is not `at+jwt` (RFC 9068 §2.1), nor one that a [`Verifier`](crate::Verifier) accepts; or, behind a `Verifier`, a
    /// claim shows that it is another kind of token, or one that is bound to a key: see
    /// [`accept_typ`](crate::VerifierBuilder::accept_typ).
    WrongType,
    /// No key of the ring, or of the issuer's set, has the `kid` of the header; or it has none, and not exactly one key fits.
    UnknownKey,
    /// The header's `alg` is not the algorithm of the key.
    WrongAlgorithm,
    /// The signature is invalid.
    BadSignature,
    /// A JSON object has a duplicate member.
    DuplicateMember,
    /// `iss` is not the configured issuer.
    WrongIssuer,
    /// `aud` does not contain the configured audience, or one of several.
    WrongAudience,
    /// A standard claim is missing or malformed.
    BadClaims,
    /// `nbf` is in the future.
    NotYetValid,
    /// The other claims cannot be deserialised into the application's type.
    BadCustomClaims,
    /// The token has expired and was not refreshed.
    Expired,
    /// The session has ended.
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

    /// Whether the token may be that of another issuer, and not one of ours.
    pub(crate) const fn may_be_foreign(self) -> bool {
        !matches!(self, Self::NotYetValid | Self::BadCustomClaims | Self::Expired | Self::Revoked)
    }
}

impl fmt::Display for InvalidTokenReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::TooLarge => "the access token is too long",
            Self::Malformed => "the access token is malformed",
            Self::UnsupportedHeader => "the access token's header requires an unsupported extension",
            Self::WrongType => "the token is not an access token",
            Self::UnknownKey => "the access token is signed with an unknown key",
            Self::WrongAlgorithm => "the access token names a different algorithm than its key",
            Self::BadSignature => "the access token's signature is invalid",
            Self::DuplicateMember => "the access token has a duplicate member",
            Self::WrongIssuer => "the access token is from another issuer",
            Self::WrongAudience => "the access token is for another audience",
            Self::BadClaims => "a standard claim of the access token is missing or malformed",
            Self::NotYetValid => "the access token is not valid yet",
            Self::BadCustomClaims => "the access token's custom claims cannot be deserialised",
            Self::Expired => "the access token has expired",
            Self::Revoked => "the access token's session has ended",
        })
    }
}

impl Error for InvalidTokenReason {}
