//! Why a device proof is rejected.

use std::{error::Error, fmt};

use crate::access_token::InvalidTokenReason;

/// Why a device proof, or the key in it, is rejected. The first check that fails decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ProofError {
    /// There are several `Secure-Session-Response` headers.
    SeveralHeaders,
    /// The header is longer than 8192 bytes.
    TooLarge,
    /// Not a string, not three segments of canonical base64url, or a segment is not a JSON object.
    Malformed,
    /// A JSON object has a duplicate member.
    DuplicateMember,
    /// The header requires an unsupported extension: `crit`, or `b64: false`.
    UnsupportedHeader,
    /// The header's `typ` is not `dbsc+jwt`.
    WrongType,
    /// The header's `alg` is not ES256 or RS256, or not that of the key.
    WrongAlgorithm,
    /// The proof of a registration has no `jwk` in its header.
    MissingKey,
    /// The proof of a refresh has a `jwk` in its header: only the key of the registration counts.
    UnexpectedKey,
    /// The `jwk` is malformed, private, symmetric or for another use, or no backend can use it.
    InvalidKey,
    /// The `jwk` is of another type or curve, or its RSA modulus has less than 2048 bits.
    UnsupportedKey,
    /// The signature is invalid.
    BadSignature,
    /// The payload has no `jti` that is a string and not empty.
    MissingChallenge,
}

impl ProofError {
    /// The stable name that logs show.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::SeveralHeaders => "several_headers",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::DuplicateMember => "duplicate_member",
            Self::UnsupportedHeader => "unsupported_header",
            Self::WrongType => "wrong_type",
            Self::WrongAlgorithm => "wrong_algorithm",
            Self::MissingKey => "missing_key",
            Self::UnexpectedKey => "unexpected_key",
            Self::InvalidKey => "invalid_key",
            Self::UnsupportedKey => "unsupported_key",
            Self::BadSignature => "bad_signature",
            Self::MissingChallenge => "missing_challenge",
        }
    }

    /// Whether the proof is malformed (400 at the registration). Otherwise it is well-formed, but does not verify, or its key is not
    /// one that was asked for (403).
    pub(crate) const fn is_malformed(self) -> bool {
        !matches!(self, Self::WrongAlgorithm | Self::UnsupportedKey | Self::BadSignature)
    }
}

/// Of the checks that proofs share with access tokens.
impl From<InvalidTokenReason> for ProofError {
    fn from(reason: InvalidTokenReason) -> Self {
        if reason == InvalidTokenReason::DuplicateMember { Self::DuplicateMember } else { Self::Malformed }
    }
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Error for ProofError {}
