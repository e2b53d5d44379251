//! What happens to sessions, told to the application, to `tracing` and to `metrics`.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

pub use tower_refresh_core::{EndReason, rotation::TokenClass};
use tower_refresh_core::{SessionHandle, Subject, Timestamp};

use crate::{RejectionKind, verify::InvalidTokenReason};

/// Something that happened to a session, for an audit log. It holds no token and no secret.
///
/// Given to the closure of [`AuthBuilder::on_event`](crate::AuthBuilder::on_event).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The session, for all that happens to one.
    pub session: Option<SessionHandle>,
    /// Whose session it is, where that is known.
    pub subject: Option<Subject>,
    /// When.
    pub at: Timestamp,
    /// How long before that the session's refresh token rotated, for events of a refresh.
    pub since_rotation: Option<Duration>,
}

/// The kinds of [`Event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// A user logged in: a session began.
    Login,
    /// A request was authenticated by its refresh token, which was of this class.
    Refresh(TokenClass),
    /// The refresh token was a generation old and its successor never seen: a lost response, or a copy.
    Late,
    /// A refresh token was used that an honest client cannot still hold. The session is being ended.
    Reuse,
    /// The store had lost a rotation, and was mended from the token.
    Ahead,
    /// A refresh token was further ahead of the store than one lost write explains: a store was set back.
    Impossible,
    /// The session ended.
    End(EndReason),
    /// A request brought what does not hold, or asked for what it may not. Tokens that have merely expired are everyday, and not
    /// told of.
    Rejected(RejectionReason),
    /// The store could not do what it was asked. The token was good, and nothing was changed.
    StoreFailed,
    /// The claims source failed, panicked or took too long, and nothing was changed; or what it gave cannot go into an access token, and
    /// none was sent.
    ClaimsFailed,
    /// The store's feed of ends was lost: until it is back, sessions that other servers end stay good here until their
    /// access tokens expire. A store without a feed, and a feed that nobody follows, raise no event: that was so from the
    /// start, and the gauge `tower_refresh_feed_up` shows it as 0.
    FeedLost,
    /// The feed is back, and this server has caught up with it.
    FeedRestored,
}

impl EventKind {
    /// The stable name that logs and metrics show.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Refresh(_) => "refresh",
            Self::Late => "late",
            Self::Reuse => "reuse",
            Self::Ahead => "ahead",
            Self::Impossible => "impossible",
            Self::End(_) => "end",
            Self::Rejected(_) => "rejected",
            Self::StoreFailed => "store_failed",
            Self::ClaimsFailed => "claims_failed",
            Self::FeedRestored => "feed_restored",
            Self::FeedLost => "feed_lost",
        }
    }

    /// The class of a refresh, the reason of an end or of a refusal, else empty.
    #[cfg(any(feature = "tracing", feature = "metrics"))]
    const fn detail(self) -> &'static str {
        match self {
            Self::Refresh(class) => class.as_str(),
            Self::End(reason) => reason.as_str(),
            Self::Rejected(refusal) => refusal.as_str(),
            _ => "",
        }
    }
}

/// What a request brought that does not hold, or what it may not.
///
/// Anybody can cause these events, as often as they like, so `tracing` has them at DEBUG.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionReason {
    /// The bearer token does not hold. Whose it is nobody knows.
    InvalidToken(InvalidTokenReason),
    /// Its refresh token has another form, key, issuer or way to travel, or was changed; or it has tokens of two sessions.
    /// A refresh cookie like that counts as none. Many of them at once after a change of keys: it was too early for the old one
    /// to go.
    InvalidRefreshToken,
    /// Two `Authorization` fields.
    InvalidRequest,
    /// A login as a native client, by a browser.
    FromBrowser,
    /// Its cookies do not count, because it came from another site.
    CrossSite,
    /// The user lacks a scope. The event names the user.
    InsufficientScope,
}

impl RejectionReason {
    /// The stable name that logs and metrics show: that of the [`InvalidTokenReason`], or of the refusal.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidToken(reason) => reason.as_str(),
            Self::InvalidRefreshToken => "invalid_refresh_token",
            Self::InvalidRequest => "invalid_request",
            Self::FromBrowser => "from_browser",
            Self::CrossSite => "cross_site",
            Self::InsufficientScope => "insufficient_scope",
        }
    }

    pub(crate) fn of(kind: &RejectionKind) -> Option<Self> {
        match kind {
            RejectionKind::InvalidToken(InvalidTokenReason::Expired) => None,
            RejectionKind::InvalidToken(reason) => Some(Self::InvalidToken(*reason)),
            RejectionKind::InvalidRequest => Some(Self::InvalidRequest),
            RejectionKind::FromBrowser => Some(Self::FromBrowser),
            RejectionKind::CrossSite => Some(Self::CrossSite),
            RejectionKind::InsufficientScope { .. } => Some(Self::InsufficientScope),
            _ => None,
        }
    }
}

/// Where events go.
#[derive(Clone, Default)]
pub(crate) struct Events {
    listener: Option<Arc<Listener>>,
}

type Listener = dyn Fn(&Event) + Send + Sync;

impl Events {
    pub(crate) fn new(listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self { listener: Some(Arc::new(listener)) }
    }

    pub(crate) fn emit(&self, event: &Event) {
        #[cfg(feature = "tracing")]
        trace(event);
        #[cfg(feature = "metrics")]
        metrics::counter!(
            "tower_refresh_events_total",
            "event" => event.kind.as_str(),
            "detail" => event.kind.detail(),
        )
        .increment(1);
        if let Some(listener) = &self.listener {
            // A panicking audit log must not take the request with it.
            let _ = catch_unwind(AssertUnwindSafe(|| listener(event)));
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("listener", &self.listener.is_some()).finish()
    }
}

#[cfg(feature = "tracing")]
fn trace(event: &Event) {
    macro_rules! at {
        ($level:ident) => {
            tracing::event!(
                target: "tower_refresh",
                tracing::Level::$level,
                event = event.kind.as_str(),
                detail = event.kind.detail(),
                session = event.session.map(tracing::field::display),
                subject = event.subject.as_ref().map(Subject::as_str),
                since_rotation_ms = event.since_rotation.map(|since| since.as_millis() as u64),
            )
        };
    }
    match event.kind {
        EventKind::Refresh(_) | EventKind::Rejected(_) => at!(DEBUG),
        EventKind::Login | EventKind::End(_) | EventKind::FeedRestored => at!(INFO),
        EventKind::Late
        | EventKind::Reuse
        | EventKind::Ahead
        | EventKind::Impossible
        | EventKind::FeedLost => at!(WARN),
        EventKind::StoreFailed | EventKind::ClaimsFailed => at!(ERROR),
    }
}
