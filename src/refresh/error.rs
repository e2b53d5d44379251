//! Why a refresh issued no tokens.

use crate::{InvalidClaimsReason, RejectionKind};

/// Why no tokens were issued. Nothing was ended, and no response fails because of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefreshError {
    /// The session is not live, or the token does not authenticate.
    Inactive,
    /// The application requires a login of this request. Nothing was changed.
    LoginRequired,
    /// The session is bound to a device, and the request has no proof of it. Nothing was changed.
    Unproven,
    /// Other requests rotated the session meanwhile, and their responses carry its tokens. Or the token was overdue, and no late
    /// budget was left.
    Overtaken,
    /// The store or the claims source failed. A write may have happened, which counts as a lost response.
    Unavailable,
    /// The claims do not fit into an access token. Nothing was written.
    InvalidClaims(InvalidClaimsReason),
}

impl From<RefreshError> for RejectionKind {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Inactive | RefreshError::Unproven => Self::Unauthenticated,
            RefreshError::LoginRequired => Self::LoginRequired { expired_bearer: false },
            RefreshError::Overtaken => Self::Overtaken,
            RefreshError::Unavailable => Self::Unavailable,
            RefreshError::InvalidClaims(reason) => Self::InvalidClaims { reason },
        }
    }
}
