//! The user, as the layer keeps one.

use tower_refresh_core::{RotationPolicy, SessionHandle, Subject, Timestamp};

use crate::{
    Identity, scope,
    verify::{AccessToken, InvalidTokenReason, Verdict},
};

/// What a valid access token or a refresh says of its user.
pub(crate) struct User<C> {
    pub(crate) subject: Subject,
    pub(crate) session: SessionHandle,
    pub(crate) scope: String,
    pub(crate) expires_at: Timestamp,
    pub(crate) claims: C,
    not_before: Timestamp,
    near_end_from: Timestamp,
}

impl<C> User<C> {
    /// As the claims source knows one.
    pub(crate) fn new(
        subject: Subject,
        session: SessionHandle,
        identity: Identity<C>,
        expires_at: Timestamp,
    ) -> Self {
        let Identity { claims, scope } = identity;
        let (not_before, near_end_from) = (Timestamp::default(), expires_at);
        Self { subject, session, scope, expires_at, claims, not_before, near_end_from }
    }

    /// As a token tells whose signature and claims hold, whatever the time.
    pub(crate) fn of_token(token: AccessToken<C>, policy: &RotationPolicy) -> Self {
        let expires_at = token.expires_at.min(token.issued_at.saturating_add(policy.access_lifetime));
        let life = expires_at.saturating_since(token.issued_at);
        let near_end_from = if policy.refresh_ahead > 0.0 {
            expires_at.saturating_sub(life.mul_f64(policy.refresh_ahead.clamp(0.0, 1.0)))
        } else {
            expires_at
        };
        let identity = Identity { claims: token.custom, scope: token.scope };
        let user = Self::new(token.subject, token.session, identity, expires_at);
        Self { not_before: token.not_before.unwrap_or_default(), near_end_from, ..user }
    }

    /// Why the token is not good, if the time is not right for it: as [`verify`](crate::verify::verify) judges by the clock.
    #[inline]
    pub(crate) fn untimely<T>(&self, now: Timestamp) -> Option<Verdict<T>> {
        if self.not_before > now {
            Some(Verdict::Invalid(InvalidTokenReason::NotYetValid))
        } else if now >= self.expires_at {
            Some(Verdict::Expired { session: self.session })
        } else {
            None
        }
    }

    /// Whether the token nears its end, so that a renewal is due.
    #[inline]
    pub(crate) fn nears_end(&self, now: Timestamp) -> bool {
        now >= self.near_end_from
    }

    /// Whether every scope token in `wanted` is one of the user's. Nobody has what is no list of them: a slip must not open
    /// a route to everybody.
    pub(crate) fn has_scope(&self, wanted: &str) -> bool {
        scope::is_list(wanted)
            && wanted.split(' ').all(|wanted| self.scope.split(' ').any(|token| token == wanted))
    }
}
