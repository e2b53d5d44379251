//! Step 3: which access token counts, and what it is worth.
//!
//! A bearer header, where there is one, is the only access token: a bad one is refused, never passed over for a
//! cookie. A bad, foreign or expired access *cookie* counts as absent, and the refresh token decides.

use std::sync::Arc;

use tower_refresh_core::{Handle, Timestamp};

use crate::{
    CustomClaims, RejectionKind,
    auth::settings::Channel,
    credentials::{CookieFields, bearer},
    fields::Field,
    measure,
    shared::Shared,
    user::{User, Verified},
    verify::{InvalidToken, Verdict, says_expired, verify},
};

/// What the request's access token says.
pub(crate) enum Access<C> {
    /// Nothing that counts.
    Absent,
    /// A user.
    Valid(Valid<C>),
    /// A bearer header of this session, good but for its expiry.
    Expired(Handle),
    /// A bearer header that is refused.
    Refused(RejectionKind),
}

impl<C> Access<C> {
    /// The session of a token that holds, expired or not.
    pub(crate) fn session(&self) -> Option<Handle> {
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

impl<C> Valid<C> {
    fn new(verified: Verified<C>, channel: Channel, now: Timestamp) -> Self {
        Self { near_end: verified.nears_end(now), user: verified.user, channel }
    }
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
            if let Some(token) = bearer(field) {
                return of_header(shared, token, now);
            }
        }
        Field::Absent => {}
    }
    if channels.cookie { of_cookies(shared, cookies, now) } else { Access::Absent }
}

fn of_header<C: CustomClaims>(shared: &Shared<C>, token: &[u8], now: Timestamp) -> Access<C> {
    match judge(shared, token, now) {
        Verdict::Valid(verified) => Access::Valid(Valid::new(verified, Channel::Header, now)),
        Verdict::Expired { session } => Access::Expired(session),
        Verdict::Invalid(reason) => Access::Refused(RejectionKind::InvalidToken(reason)),
    }
}

/// Of several that are valid, all must be of one session, and the latest expiry counts.
fn of_cookies<C: CustomClaims>(shared: &Shared<C>, cookies: &CookieFields, now: Timestamp) -> Access<C> {
    let mut best: Option<Verified<C>> = None;
    for text in cookies.values(shared.settings.cookies.access_name()) {
        let Some(verified) = of_cookie(shared, text, now) else { continue };
        match &best {
            Some(other) if other.user.session != verified.user.session => return Access::Absent,
            Some(other) if other.user.expires_at >= verified.user.expires_at => {}
            _ => best = Some(verified),
        }
    }
    best.map_or(Access::Absent, |verified| Access::Valid(Valid::new(verified, Channel::Cookie, now)))
}

fn of_cookie<C: CustomClaims>(shared: &Shared<C>, token: &[u8], now: Timestamp) -> Option<Verified<C>> {
    let verdict = match shared.ring.known(token) {
        Some(verified) => settle(shared, verified.judge(now), true, now),
        None if says_expired(token, now) => {
            settle(shared, Verdict::Invalid(InvalidToken::Expired), false, now)
        }
        None => settle(shared, verify_and_keep(shared, token, now), false, now),
    };
    match verdict {
        Verdict::Valid(verified) => Some(verified),
        Verdict::Expired { .. } | Verdict::Invalid(_) => None,
    }
}

/// Judges a token, from the cache if it was verified before: by the clock of now either way.
fn judge<C: CustomClaims>(shared: &Shared<C>, token: &[u8], now: Timestamp) -> Verdict<Verified<C>> {
    match shared.ring.known(token) {
        Some(verified) => settle(shared, verified.judge(now), true, now),
        None => settle(shared, verify_and_keep(shared, token, now), false, now),
    }
}

/// What is left of a verdict once the denylist has been asked.
fn settle<C: CustomClaims>(
    shared: &Shared<C>,
    verdict: Verdict<Verified<C>>,
    was_cached: bool,
    now: Timestamp,
) -> Verdict<Verified<C>> {
    let verdict = match verdict {
        Verdict::Valid(verified) if shared.is_denied(verified.user.session, now) => {
            Verdict::Invalid(InvalidToken::Revoked)
        }
        verdict => verdict,
    };
    measure::access_token(&verdict, was_cached);
    verdict
}

fn verify_and_keep<C: CustomClaims>(
    shared: &Shared<C>,
    token: &[u8],
    now: Timestamp,
) -> Verdict<Verified<C>> {
    let verified =
        shared.ring.verify(token, now, |keys| match verify(token, keys, &shared.settings.expected(), now) {
            Verdict::Valid(access) => {
                let verified = Verified::new(access, &shared.settings.policy);
                let expires_at = verified.user.expires_at;
                Ok((verified, expires_at))
            }
            Verdict::Expired { session } => Err(Verdict::Expired { session }),
            Verdict::Invalid(reason) => Err(Verdict::Invalid(reason)),
        });
    verified.map_or_else(|refused| refused, Verdict::Valid)
}
