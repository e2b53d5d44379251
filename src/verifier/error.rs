//! Why a token that came without a request is not accepted.

use std::{error::Error, fmt};

use crate::InvalidTokenReason;

/// Why [`Verifier::verify`](crate::Verifier::verify) accepts no token, or [`Verifier::load`](crate::Verifier::load) has no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifyError {
    /// The token is invalid, has expired, or its session has ended.
    Invalid(InvalidTokenReason),
    /// There are no keys: they could not be fetched yet, or not for too long. Try again in a second.
    Unavailable,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(reason) => reason.fmt(f),
            Self::Unavailable => f.pad("the issuer's keys are not available at the moment"),
        }
    }
}

impl Error for VerifyError {}
