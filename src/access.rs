//! Step 3: which access token counts, and what it is worth.
//!
//! A bearer header, where there is one, is the only access token: a bad one is refused, never passed over for a
//! cookie. A bad, foreign or expired access *cookie* counts as absent, and the refresh token decides.

use std::sync::Arc;

use http::HeaderMap;
use tower_refresh_core::{Handle, Timestamp};

use crate::{
    CustomClaims, RejectionKind,
    auth::settings::Channel,
    credentials::{Bearer, CookieFields, bearer},
    shared::Shared,
    user::User,
    verify::{AccessToken, InvalidToken, Verdict, verify},
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

pub(crate) struct Valid<C> {
    pub(crate) user: Arc<User<C>>,
    /// Whether it nears its end, so that a renewal beside the handler is due.
    pub(crate) near_end: bool,
    pub(crate) channel: Channel,
}

/// Reads the header, and the cookies unless they do not count.
pub(crate) fn read<C: CustomClaims>(
    shared: &Shared<C>,
    headers: &HeaderMap,
    cookies: Option<&CookieFields>,
    now: Timestamp,
) -> Access<C> {
    let channels = &shared.settings.channels;
    let header = if channels.header.is_some() { bearer(headers) } else { Bearer::Absent };
    match header {
        Bearer::Several => Access::Refused(RejectionKind::InvalidRequest),
        Bearer::Token(token) => of_header(shared, token, now),
        Bearer::Absent => match cookies {
            Some(cookies) if channels.cookie => of_cookies(shared, cookies, now),
            _ => Access::Absent,
        },
    }
}

fn of_header<C: CustomClaims>(shared: &Shared<C>, token: &[u8], now: Timestamp) -> Access<C> {
    match verify(token, &shared.keys.load(), &shared.settings.expected(), now) {
        Verdict::Valid(token) if shared.is_denied(token.session, now) => {
            Access::Refused(RejectionKind::InvalidToken(InvalidToken::Revoked))
        }
        Verdict::Valid(token) => Access::Valid(valid(shared, token, Channel::Header, now)),
        Verdict::Expired { session } => Access::Expired(session),
        Verdict::Invalid(reason) => Access::Refused(RejectionKind::InvalidToken(reason)),
    }
}

/// Of several that are valid, all must be of one session, and the latest expiry counts.
fn of_cookies<C: CustomClaims>(shared: &Shared<C>, cookies: &CookieFields, now: Timestamp) -> Access<C> {
    let mut best: Option<AccessToken<C>> = None;
    for text in cookies.values(shared.settings.cookies.access_name()) {
        let verdict = verify(text, &shared.keys.load(), &shared.settings.expected(), now);
        let Verdict::Valid(token) = verdict else { continue };
        if shared.is_denied(token.session, now) {
            continue;
        }
        match &best {
            Some(other) if other.session != token.session => return Access::Absent,
            Some(other) if other.expires_at >= token.expires_at => {}
            _ => best = Some(token),
        }
    }
    best.map_or(Access::Absent, |token| Access::Valid(valid(shared, token, Channel::Cookie, now)))
}

fn valid<C>(shared: &Shared<C>, token: AccessToken<C>, channel: Channel, now: Timestamp) -> Valid<C> {
    let policy = &shared.settings.policy;
    let expires_at = token.expires_at.min(token.issued_at.saturating_add(policy.access_lifetime));
    let life = expires_at.saturating_since(token.issued_at);
    let near_end = policy.refresh_ahead > 0.0
        && expires_at.saturating_since(now) <= life.mul_f64(policy.refresh_ahead.clamp(0.0, 1.0));
    let user = User {
        subject: token.subject,
        session: token.session,
        scope: token.scope,
        expires_at,
        claims: token.custom,
    };
    Valid { user: Arc::new(user), near_end, channel }
}
