//! Who the user of a request is.

use std::sync::Arc;

use crate::{
    RejectionKind,
    access_token::InvalidTokenReason,
    claims::User,
    refresh::{Inactive, Loaded},
    telemetry::RequestOutcome,
};

pub(crate) enum Outcome<C> {
    Authenticated(Arc<User<C>>),
    Anonymous,
    Rejected(RejectionKind),
}

/// What a request is if its load identifies no user.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fallback {
    Anonymous,
    InvalidBearer(InvalidTokenReason),
}

impl<C> Outcome<C> {
    /// The outcome after a load. `is_denied` is asked as of now: the load may be older than the request, or the session may
    /// have ended while the claims were loaded.
    pub(crate) fn after_load(
        loaded: &Loaded<C>,
        fallback: Fallback,
        is_denied: impl FnOnce(&User<C>) -> bool,
    ) -> Self {
        let user = match loaded {
            Loaded::Live(live) => Some(&live.user.user),
            Loaded::SessionLive(user) => Some(user),
            Loaded::Reissued(reissued) => Some(&reissued.user),
            Loaded::Unavailable => return Self::Rejected(RejectionKind::Unavailable),
            Loaded::InvalidClaims(reason) => {
                return Self::Rejected(RejectionKind::InvalidClaims { reason: *reason });
            }
            Loaded::Inactive(Inactive::LoginRequired) => {
                return match fallback {
                    Fallback::Anonymous => Self::Anonymous,
                    Fallback::InvalidBearer(_) => {
                        Self::Rejected(RejectionKind::LoginRequired { expired_bearer: true })
                    }
                };
            }
            Loaded::Inactive(_) => None,
        };
        let fallback = match (loaded, fallback) {
            (Loaded::Inactive(Inactive::ClaimsOutdated | Inactive::Unproven), Fallback::InvalidBearer(_)) => {
                Fallback::InvalidBearer(InvalidTokenReason::Expired)
            }
            _ => fallback,
        };
        match (user, fallback) {
            (Some(user), _) if !is_denied(user) => Self::Authenticated(user.clone()),
            (_, Fallback::Anonymous) => Self::Anonymous,
            (_, Fallback::InvalidBearer(reason)) => Self::Rejected(RejectionKind::InvalidToken(reason)),
        }
    }

    /// The label of the metric.
    #[inline]
    pub(crate) fn label(&self, was_refreshed: bool) -> RequestOutcome {
        match self {
            Self::Authenticated(_) if was_refreshed => RequestOutcome::Refreshed,
            Self::Authenticated(_) => RequestOutcome::Authenticated,
            Self::Anonymous => RequestOutcome::Anonymous,
            Self::Rejected(RejectionKind::Unavailable) => RequestOutcome::Unavailable,
            Self::Rejected(RejectionKind::InvalidClaims { .. }) => RequestOutcome::InvalidClaims,
            Self::Rejected(RejectionKind::CrossSite) => RequestOutcome::CrossSite,
            Self::Rejected(_) => RequestOutcome::Rejected,
        }
    }
}
