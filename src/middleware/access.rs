//! Step 3: which access token counts, and whether it is valid.
//!
//! A bearer token is the only access token if there is one: an invalid one is rejected, never ignored in favour of a cookie.
//! An invalid, foreign or expired access *cookie* counts as absent, and the refresh token decides. A token with outdated claims
//! counts as expired.

use std::sync::Arc;

use tower_refresh_core::{SessionHandle, Timestamp};

use crate::{
    CustomClaims, RejectionKind,
    access_token::{InvalidTokenReason, Verdict, is_expired_unverified},
    auth_inner::AuthInner,
    claims::User,
    credentials::{CookieHeaders, HeaderField, bearer_token},
    sessions::Standing,
    settings::AccessTransport,
    telemetry::{self, TokenOutcome},
};

/// The access token of a request.
pub(super) enum Access<C> {
    /// None that counts.
    Absent,
    Valid(ValidAccess<C>),
    /// A bearer token of this session that is valid but for its expiry, or its outdated claims.
    ExpiredBearer(SessionHandle),
    /// An invalid bearer token, or two `Authorization` headers.
    Rejected(RejectionKind),
}

pub(super) struct ValidAccess<C> {
    pub(super) user: Arc<User<C>>,
    pub(super) due: Due,
    pub(super) transport: AccessTransport,
}

/// What is due although the access token is valid.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// It is near its expiry.
    RefreshAhead,
    /// Its claims are outdated. Only for one that came from a proof of the device, where a refresh token cannot replace it.
    Reissue,
}

impl<C> Access<C> {
    /// The session of a verified token, expired or not.
    pub(super) fn session(&self) -> Option<SessionHandle> {
        match self {
            Self::Valid(valid) => Some(valid.user.session),
            Self::ExpiredBearer(session) => Some(*session),
            Self::Absent | Self::Rejected(_) => None,
        }
    }
}

/// Reads the `Authorization` header, and the cookies that count.
pub(super) fn read<C: CustomClaims>(
    auth: &AuthInner<C>,
    authorization: HeaderField<'_>,
    cookies: &CookieHeaders,
    now: Timestamp,
) -> Access<C> {
    let transports = &auth.settings.transports;
    let header = if transports.header.is_some() { authorization } else { HeaderField::Absent };
    match header {
        HeaderField::Several => return Access::Rejected(RejectionKind::InvalidRequest),
        HeaderField::One(value) => {
            if let Some(token) = bearer_token(value.as_bytes()) {
                return from_header(auth, token, now);
            }
        }
        HeaderField::Absent => {}
    }
    if transports.cookie { from_cookies(auth, cookies, now) } else { Access::Absent }
}

#[inline]
fn from_header<C: CustomClaims>(auth: &AuthInner<C>, token: &[u8], now: Timestamp) -> Access<C> {
    let verdict = match auth.tokens().cached_user(token) {
        Some(user) => check(auth, user, AccessTransport::Header, true, now),
        None => verify(auth, token, AccessTransport::Header, now),
    };
    match verdict {
        Verdict::Valid(valid) => Access::Valid(valid),
        Verdict::Expired { session } => Access::ExpiredBearer(session),
        Verdict::Invalid(reason) => Access::Rejected(RejectionKind::InvalidToken(reason)),
    }
}

/// Several valid cookies must be of one session, and the latest expiry counts.
fn from_cookies<C: CustomClaims>(auth: &AuthInner<C>, cookies: &CookieHeaders, now: Timestamp) -> Access<C> {
    let mut best: Option<ValidAccess<C>> = None;
    for token in cookies.values(auth.settings.cookies.access_name()) {
        let Some(valid) = from_cookie(auth, token, now) else { continue };
        match &best {
            Some(other) if other.user.session != valid.user.session => return Access::Absent,
            Some(other) if other.user.expires_at >= valid.user.expires_at => {}
            _ => best = Some(valid),
        }
    }
    best.map_or(Access::Absent, Access::Valid)
}

fn from_cookie<C: CustomClaims>(auth: &AuthInner<C>, token: &[u8], now: Timestamp) -> Option<ValidAccess<C>> {
    let verdict = match auth.tokens().cached_user(token) {
        Some(user) => check(auth, user, AccessTransport::Cookie, true, now),
        None if is_expired_unverified(token, now) => {
            record(Verdict::Invalid(InvalidTokenReason::Expired), false)
        }
        None => verify(auth, token, AccessTransport::Cookie, now),
    };
    match verdict {
        Verdict::Valid(valid) => Some(valid),
        Verdict::Expired { .. } | Verdict::Invalid(_) => None,
    }
}

#[inline(never)]
fn verify<C: CustomClaims>(
    auth: &AuthInner<C>,
    token: &[u8],
    transport: AccessTransport,
    now: Timestamp,
) -> Verdict<ValidAccess<C>> {
    match auth.tokens().verify_access(token, now) {
        Verdict::Valid(user) => check(auth, user, transport, false, now),
        Verdict::Expired { session } => record(Verdict::Expired { session }, false),
        Verdict::Invalid(reason) => record(Verdict::Invalid(reason), false),
    }
}

/// Checks a verified token against the clock and the denylist.
// Once for each place where a token is found in the cache: the verdict is never written to memory there.
#[inline(always)]
fn check<C: CustomClaims>(
    auth: &AuthInner<C>,
    user: Arc<User<C>>,
    transport: AccessTransport,
    was_cached: bool,
    now: Timestamp,
) -> Verdict<ValidAccess<C>> {
    if let Some(verdict) = user.check_times(now) {
        return record(verdict, was_cached);
    }
    let verdict = match auth.sessions().standing(user.session, user.epoch, now) {
        Standing::Good => {
            let due = if user.is_refresh_ahead_due(now) { Due::RefreshAhead } else { Due::Nothing };
            Verdict::Valid(ValidAccess { due, user, transport })
        }
        Standing::Outdated if user.is_device_bound && auth.settings.enforces_device_binding() => {
            Verdict::Valid(ValidAccess { due: Due::Reissue, user, transport })
        }
        Standing::Outdated => Verdict::Expired { session: user.session },
        Standing::Ended => Verdict::Invalid(InvalidTokenReason::Revoked),
    };
    record(verdict, was_cached)
}

#[inline]
fn record<T>(verdict: Verdict<T>, was_cached: bool) -> Verdict<T> {
    telemetry::access_token(match &verdict {
        Verdict::Valid(_) if was_cached => TokenOutcome::Cached,
        Verdict::Valid(_) => TokenOutcome::Verified,
        Verdict::Expired { .. } | Verdict::Invalid(InvalidTokenReason::Expired) => TokenOutcome::Expired,
        Verdict::Invalid(InvalidTokenReason::Revoked) => TokenOutcome::Revoked,
        Verdict::Invalid(_) => TokenOutcome::Invalid,
    });
    verdict
}
