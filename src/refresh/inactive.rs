//! The ways in which a refresh token does not authenticate.

use tower_refresh_core::{EndReason, SessionRow, Timestamp};

/// Why a token does not authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inactive {
    /// The session has ended or expired, and not because of this request: its cookies are useless.
    SessionOver,
    /// Another site started the navigation, so nothing is changed for the token, which is late or spent. In a request of our own it
    /// may authenticate.
    RepetitionNeeded,
    /// Any other reason. A newer login may be on its way to the same browser, or the session goes on (c7), so the cookies stay.
    TokenRejected,
    /// The application requires a login of this request, and the session goes on.
    LoginRequired,
    /// The session is bound to a device, and the request has no proof of it. The session goes on.
    Unproven,
    /// The claims of the valid access token are outdated, so that it counts as expired.
    ClaimsOutdated,
}

impl Inactive {
    /// The reason for a session that has ended or expired, or is being ended. A session that a login in the same browser
    /// superseded is no reason to remove cookies: by the time of the response the browser may have the newer ones.
    pub(super) fn of(row: &SessionRow, now: Timestamp) -> Self {
        match row.ended {
            Some(ended) if ended.reason == EndReason::Superseded => Self::TokenRejected,
            None if row.is_live(now) => Self::TokenRejected,
            _ => Self::SessionOver,
        }
    }
}
