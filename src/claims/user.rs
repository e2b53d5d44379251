//! The user of a request, as the layer keeps it.

use std::{sync::Arc, time::Duration};

use tower_refresh_core::{RotationPolicy, SessionHandle, SessionRow, Subject, Timestamp};

use super::Identity;
use crate::{
    access_token::{AccessToken, Expected, InvalidTokenReason, Verdict, scope},
    clock::{Clock, MAX_CLOCK_SKEW},
};

/// The content of a verified access token, or of a refresh.
pub(crate) struct User<C> {
    pub(crate) subject: Subject,
    /// Zero if there is none: see `has_session`.
    pub(crate) session: SessionHandle,
    /// Whether the user's session is known: always, unless another issuer's token has no session id of ours.
    pub(crate) has_session: bool,
    pub(crate) scope: String,
    pub(crate) expires_at: Timestamp,
    /// When the user last authenticated, in whole seconds. `None` for a token of an earlier version.
    pub(crate) auth_time: Option<Timestamp>,
    /// The epoch of the claims: they were loaded after it had begun.
    pub(crate) epoch: u32,
    /// Whether the device of the session gave a proof for the access token.
    pub(crate) is_device_bound: bool,
    pub(crate) claims: C,
    pub(crate) issued_at: Timestamp,
    not_before: Timestamp,
    refresh_ahead_from: Timestamp,
    /// Here, and not with each request, which would cost each request something.
    clock: Arc<dyn Clock>,
}

impl<C> User<C> {
    /// The user of the session of `row`, with the identity that the claims source returned in this epoch.
    pub(crate) fn new(
        row: &SessionRow,
        identity: Identity<C>,
        epoch: u32,
        expires_at: Timestamp,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let Identity { claims, scope } = identity;
        Self {
            subject: row.subject.clone(),
            session: row.handle,
            has_session: true,
            scope,
            expires_at,
            // As the access token will have it, so that the next request sees the same time.
            auth_time: Some(Timestamp::from_secs(row.authenticated_at.as_secs())),
            epoch,
            is_device_bound: false,
            claims,
            issued_at: Timestamp::default(),
            not_before: Timestamp::default(),
            refresh_ahead_from: expires_at,
            clock,
        }
    }

    /// The user of a token whose signature and claims were verified, whatever the time. If sessions are bound to devices, the browser itself
    /// refreshes what its device gave a proof for.
    pub(crate) fn from_token(
        token: AccessToken<C>,
        policy: &RotationPolicy,
        has_device_binding: bool,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let is_refreshed_ahead = policy.refresh_ahead > 0.0 && !(has_device_binding && token.is_device_bound);
        let expires_at = token.expires_at.min(token.issued_at.saturating_add(policy.access_lifetime));
        let life = expires_at.saturating_since(token.issued_at);
        let refresh_ahead_from = if is_refreshed_ahead {
            expires_at.saturating_sub(life.mul_f64(policy.refresh_ahead.clamp(0.0, 1.0)))
        } else {
            expires_at
        };
        let not_before = token.not_before.unwrap_or_default();
        Self::of_token(token, not_before, expires_at, refresh_ahead_from, clock)
    }

    /// The user of a token that another server issued, and which is not refreshed here.
    pub(crate) fn from_verified(
        token: AccessToken<C>,
        expected: &Expected<'_>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let leeway = expected.profile.leeway;
        let expires_at = token.expires_at.saturating_add(leeway);
        let expires_at = expires_at.min(token.issued_at.saturating_add(expected.access_lifetime));
        let not_before = token.not_before.unwrap_or_default().saturating_sub(leeway);
        Self::of_token(token, not_before, expires_at, expires_at, clock)
    }

    fn of_token(
        token: AccessToken<C>,
        not_before: Timestamp,
        expires_at: Timestamp,
        refresh_ahead_from: Timestamp,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            subject: token.subject,
            session: token.session,
            has_session: token.has_session,
            scope: token.scope,
            expires_at,
            auth_time: token.auth_time,
            epoch: token.epoch,
            is_device_bound: token.is_device_bound,
            claims: token.custom,
            issued_at: token.issued_at,
            not_before,
            refresh_ahead_from,
            clock,
        }
    }

    /// The verdict on the token if it is expired or not valid yet, as [`verify`](crate::access_token::verify) gives it.
    #[inline]
    pub(crate) fn check_times<T>(&self, now: Timestamp) -> Option<Verdict<T>> {
        if self.not_before > now {
            Some(Verdict::Invalid(InvalidTokenReason::NotYetValid))
        } else if now >= self.expires_at {
            Some(Verdict::Expired { session: self.session })
        } else {
            None
        }
    }

    /// Whether the token is near its expiry, so that it is refreshed ahead of it.
    #[inline]
    pub(crate) fn is_refresh_ahead_due(&self, now: Timestamp) -> bool {
        now >= self.refresh_ahead_from
    }

    /// Whether the user authenticated at most `max_age` ago. A time that no server of ours can have set yet does not count.
    pub(crate) fn is_recent(&self, max_age: Duration) -> bool {
        let now = self.clock.now();
        self.auth_time
            .is_some_and(|at| at <= now.saturating_add(MAX_CLOCK_SKEW) && now.saturating_since(at) <= max_age)
    }

    /// Whether the user has every scope token in `required`. A malformed `required` is never satisfied: a typing error must not
    /// open a route to everyone.
    pub(crate) fn has_scope(&self, required: &str) -> bool {
        scope::is_valid(required)
            && required.split(' ').all(|required| self.scope.split(' ').any(|token| token == required))
    }
}
