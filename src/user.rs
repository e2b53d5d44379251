//! The user, as the layer keeps one.

use std::sync::Arc;

use tower_refresh_core::{Handle, RotationPolicy, Subject, Timestamp};

use crate::{
    scope,
    verify::{AccessToken, InvalidToken, Verdict},
};

/// What a valid access token or a refresh says of its user.
pub(crate) struct User<C> {
    pub(crate) subject: Subject,
    pub(crate) session: Handle,
    pub(crate) scope: String,
    pub(crate) expires_at: Timestamp,
    pub(crate) claims: C,
}

impl<C> User<C> {
    /// Whether every scope token in `wanted` is one of the user's. Nobody has what is no list of them: a slip must not open
    /// a route to everybody.
    pub(crate) fn has_scope(&self, wanted: &str) -> bool {
        scope::is_list(wanted)
            && wanted.split(' ').all(|wanted| self.scope.split(' ').any(|token| token == wanted))
    }
}

/// What a token says whose signature and claims hold, whatever the time.
pub(crate) struct Verified<C> {
    pub(crate) user: Arc<User<C>>,
    not_before: Option<Timestamp>,
    near_end_from: Timestamp,
}

impl<C> Verified<C> {
    pub(crate) fn new(token: AccessToken<C>, policy: &RotationPolicy) -> Self {
        let expires_at = token.expires_at.min(token.issued_at.saturating_add(policy.access_lifetime));
        let life = expires_at.saturating_since(token.issued_at);
        let user = User {
            subject: token.subject,
            session: token.session,
            scope: token.scope,
            expires_at,
            claims: token.custom,
        };
        let near_end_from = if policy.refresh_ahead > 0.0 {
            expires_at.saturating_sub(life.mul_f64(policy.refresh_ahead.clamp(0.0, 1.0)))
        } else {
            expires_at
        };
        Self { user: Arc::new(user), not_before: token.not_before, near_end_from }
    }

    /// As [`verify`] judges by the clock.
    pub(crate) fn judge(self, now: Timestamp) -> Verdict<Self> {
        if self.not_before.is_some_and(|not_before| not_before > now) {
            Verdict::Invalid(InvalidToken::NotYetValid)
        } else if now >= self.user.expires_at {
            Verdict::Expired { session: self.user.session }
        } else {
            Verdict::Valid(self)
        }
    }

    /// Whether it nears its end, so that a renewal is due.
    pub(crate) fn nears_end(&self, now: Timestamp) -> bool {
        now >= self.near_end_from
    }
}

impl<C> Clone for Verified<C> {
    fn clone(&self) -> Self {
        Self { user: self.user.clone(), not_before: self.not_before, near_end_from: self.near_end_from }
    }
}
