//! Step 3: which access token counts, and what it is worth.
//!
//! A bearer header, where there is one, is the only access token: a bad one is refused, never passed over for a
//! cookie. A bad, foreign or expired access *cookie* counts as absent, and the refresh token decides.

use std::sync::Arc;

use tower_refresh_core::{SessionHandle, Timestamp};

use crate::{
    CustomClaims, RejectionKind,
    auth::settings::Channel,
    credentials::{CookieFields, bearer},
    fields::Field,
    measure,
    shared::Shared,
    user::User,
    verify::{InvalidTokenReason, Verdict, says_expired, verify},
};

/// What the request's access token says.
pub(crate) enum Access<C> {
    /// Nothing that counts.
    Absent,
    /// A user.
    Valid(Valid<C>),
    /// A bearer header of this session, good but for its expiry.
    Expired(SessionHandle),
    /// A bearer header that is refused.
    Refused(RejectionKind),
}

impl<C> Access<C> {
    /// The session of a token that holds, expired or not.
    pub(crate) fn session(&self) -> Option<SessionHandle> {
        match self {
            Self::Valid(valid) => Some(valid.user.session),
            Self::Expired(session) => Some(*session),
            Self::Absent | Self::Refused(_) => None,
        }
    }
}

pub(crate) struct Valid<C> {
    pub(crate) user: Arc<User<C>>,
    /// Whether it nears its end, so that a renewal beside the handler is due.
    pub(crate) near_end: bool,
    pub(crate) channel: Channel,
}

/// Reads the `Authorization` field, and the cookies that count.
pub(crate) fn read<C: CustomClaims>(
    shared: &Shared<C>,
    authorization: Field<'_>,
    cookies: &CookieFields,
    now: Timestamp,
) -> Access<C> {
    let channels = &shared.settings.channels;
    let header = if channels.header.is_some() { authorization } else { Field::Absent };
    match header {
        Field::Several => return Access::Refused(RejectionKind::InvalidRequest),
        Field::One(field) => {
            if let Some(token) = bearer(field.as_bytes()) {
                return of_header(shared, token, now);
            }
        }
        Field::Absent => {}
    }
    if channels.cookie { of_cookies(shared, cookies, now) } else { Access::Absent }
}

#[inline]
fn of_header<C: CustomClaims>(shared: &Shared<C>, token: &[u8], now: Timestamp) -> Access<C> {
    let access = |verdict| match verdict {
        Verdict::Valid(valid) => Access::Valid(valid),
        Verdict::Expired { session } => Access::Expired(session),
        Verdict::Invalid(reason) => Access::Refused(RejectionKind::InvalidToken(reason)),
    };
    match shared.ring.known(token) {
        Some(user) => access(judge(shared, user, Channel::Header, true, now)),
        None => access(verify_and_keep(shared, token, Channel::Header, now)),
    }
}

/// Of several that are valid, all must be of one session, and the latest expiry counts.
fn of_cookies<C: CustomClaims>(shared: &Shared<C>, cookies: &CookieFields, now: Timestamp) -> Access<C> {
    let mut best: Option<Valid<C>> = None;
    for text in cookies.values(shared.settings.cookies.access_name()) {
        let Some(valid) = of_cookie(shared, text, now) else { continue };
        match &best {
            Some(other) if other.user.session != valid.user.session => return Access::Absent,
            Some(other) if other.user.expires_at >= valid.user.expires_at => {}
            _ => best = Some(valid),
        }
    }
    best.map_or(Access::Absent, Access::Valid)
}

fn of_cookie<C: CustomClaims>(shared: &Shared<C>, token: &[u8], now: Timestamp) -> Option<Valid<C>> {
    let verdict = match shared.ring.known(token) {
        Some(user) => judge(shared, user, Channel::Cookie, true, now),
        None if says_expired(token, now) => tell(Verdict::Invalid(InvalidTokenReason::Expired), false),
        None => verify_and_keep(shared, token, Channel::Cookie, now),
    };
    match verdict {
        Verdict::Valid(valid) => Some(valid),
        Verdict::Expired { .. } | Verdict::Invalid(_) => None,
    }
}

fn verify_and_keep<C: CustomClaims>(
    shared: &Shared<C>,
    token: &[u8],
    channel: Channel,
    now: Timestamp,
) -> Verdict<Valid<C>> {
    let verified =
        shared.ring.verify(token, now, |keys| match verify(token, keys, &shared.settings.expected(), now) {
            Verdict::Valid(access) => {
                let user = User::of_token(access, &shared.settings.policy);
                let expires_at = user.expires_at;
                Ok((Arc::new(user), expires_at))
            }
            Verdict::Expired { session } => Err(Verdict::Expired { session }),
            Verdict::Invalid(reason) => Err(Verdict::Invalid(reason)),
        });
    match verified {
        Ok(user) => judge(shared, user, channel, false, now),
        Err(refused) => tell(refused, false),
    }
}

/// What a token that was verified, now or before, is worth by the clock of now and the denylist.
#[inline]
fn judge<C: CustomClaims>(
    shared: &Shared<C>,
    user: Arc<User<C>>,
    channel: Channel,
    was_cached: bool,
    now: Timestamp,
) -> Verdict<Valid<C>> {
    if let Some(verdict) = user.untimely(now) {
        tell(verdict, was_cached)
    } else if shared.is_denied(user.session, now) {
        tell(Verdict::Invalid(InvalidTokenReason::Revoked), was_cached)
    } else {
        tell(Verdict::Valid(Valid { near_end: user.nears_end(now), user, channel }), was_cached)
    }
}

#[inline]
fn tell<T>(verdict: Verdict<T>, was_cached: bool) -> Verdict<T> {
    measure::access_token(&verdict, was_cached);
    verdict
}
