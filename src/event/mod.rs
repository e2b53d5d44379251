//! Events of sessions, for the application's audit log, for `tracing` and for `metrics`.

use std::{
    error::Error,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

pub use tower_refresh_core::{EndReason, rotation::TokenClass};
use tower_refresh_core::{SessionHandle, SessionRow, Subject, Timestamp};

use crate::{RejectionKind, access_token::InvalidTokenReason, clock::Clock};

/// An event of a session, for an audit log. It contains no token and no secret.
///
/// Passed to the closure of [`AuthBuilder::on_event`](crate::AuthBuilder::on_event).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The session, if the event concerns one.
    pub session: Option<SessionHandle>,
    /// The subject of the session, if it is known.
    pub subject: Option<Subject>,
    /// When it happened.
    pub at: Timestamp,
    /// For events of a refresh: the time since the last rotation of the refresh token.
    pub since_rotation: Option<Duration>,
}

/// The kinds of [`Event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// A user logged in: a session started.
    Login,
    /// A request was authenticated by a refresh token of this class.
    Refresh(TokenClass),
    /// The refresh token was one generation old, and no client has used its successor: a response was lost, or somebody has a
    /// copy.
    Late,
    /// The same, but no late budget is left: the token authenticated nothing, and nothing was changed. Lost responses alone lead to
    /// this. So does a thief who obtained the successor, has not used it, and used up the budget: the owner is locked out.
    Spent,
    /// A refresh token was used that an honest client no longer has. The session is ended, unless a valid access token authenticated
    /// the request, or another site started it.
    Reuse,
    /// The store had lost a rotation, which was restored from the token.
    Ahead,
    /// A refresh token was further ahead of the store than one lost write explains: the store was restored from a backup.
    Impossible,
    /// The session ended.
    End(EndReason),
    /// A request had invalid credentials or lacked permission. Expired tokens are routine, and not reported.
    Rejected(RejectionReason),
    /// A call of the store failed or timed out. No session was ended and no cookie removed because of it.
    StoreFailed,
    /// The claims source failed, panicked or timed out, and nothing was changed; or its claims do not fit into an access token,
    /// and none was sent.
    ClaimsFailed,
    /// The cryptographic backend failed to sign a token or to draw random bytes, and the token was not sent.
    CryptoFailed,
    /// The store's feed of ended sessions was lost. Until it is back, access tokens of sessions that other servers end stay valid
    /// here until they expire. A store without a feed, and a feed that is not followed, raise no event; the gauge
    /// `tower_refresh_feed_up` is 0.
    FeedLost,
    /// The feed is back, and this server has caught up with it.
    FeedRestored,
}

impl EventKind {
    /// The stable name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Refresh(_) => "refresh",
            Self::Late => "late",
            Self::Spent => "spent",
            Self::Reuse => "reuse",
            Self::Ahead => "ahead",
            Self::Impossible => "impossible",
            Self::End(_) => "end",
            Self::Rejected(_) => "rejected",
            Self::StoreFailed => "store_failed",
            Self::ClaimsFailed => "claims_failed",
            Self::CryptoFailed => "crypto_failed",
            Self::FeedRestored => "feed_restored",
            Self::FeedLost => "feed_lost",
        }
    }

    /// The class of a refresh, the reason of a session end or of a rejection, else empty.
    #[cfg(any(feature = "tracing", feature = "metrics"))]
    const fn detail(self) -> &'static str {
        match self {
            Self::Refresh(class) => class.as_str(),
            Self::End(reason) => reason.as_str(),
            Self::Rejected(reason) => reason.as_str(),
            _ => "",
        }
    }
}

/// Why a request was rejected.
///
/// Any client can cause these events at any rate, so `tracing` logs them at DEBUG.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionReason {
    /// The bearer token is invalid, so its user is unknown.
    InvalidToken(InvalidTokenReason),
    /// The refresh token is malformed, was modified, or has another key, issuer or transport; or the request has refresh tokens of
    /// two sessions. Such a refresh cookie counts as absent. Many of these events after a change of keys: the old key was
    /// removed too early.
    InvalidRefreshToken,
    /// Two `Authorization` headers.
    InvalidRequest,
    /// A browser requested a login as a native client.
    FromBrowser,
    /// The cookies were ignored, because another site started the request.
    CrossSite,
    /// The user lacks a scope. The event has the user.
    InsufficientScope,
}

impl RejectionReason {
    /// The stable name in logs and metrics: that of the [`InvalidTokenReason`] for an invalid token.
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

/// Reports events, with the time of the clock.
#[derive(Clone)]
pub(crate) struct Events {
    listener: Option<Arc<Listener>>,
    clock: Arc<dyn Clock>,
}

pub(crate) type Listener = dyn Fn(&Event) + Send + Sync;

impl Events {
    pub(crate) fn new(listener: Option<Arc<Listener>>, clock: Arc<dyn Clock>) -> Self {
        Self { listener, clock }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn emit(
        &self,
        kind: EventKind,
        session: Option<SessionHandle>,
        subject: Option<&Subject>,
        rotated_at: Option<Timestamp>,
    ) {
        let at = self.now();
        let since_rotation = rotated_at.map(|rotated_at| at.saturating_since(rotated_at));
        let event = Event { kind, session, subject: subject.cloned(), at, since_rotation };
        #[cfg(feature = "tracing")]
        trace(&event);
        #[cfg(feature = "metrics")]
        metrics::counter!(
            "tower_refresh_events_total",
            "event" => event.kind.as_str(),
            "detail" => event.kind.detail(),
        )
        .increment(1);
        if let Some(listener) = &self.listener {
            // A panic in the audit log must not fail the request.
            let _ = catch_unwind(AssertUnwindSafe(|| listener(&event)));
        }
    }

    /// An event of a refresh.
    pub(crate) fn emit_for(&self, kind: EventKind, row: &SessionRow) {
        self.emit(kind, Some(row.handle), Some(&row.subject), Some(row.rotated_at));
    }

    /// A request was rejected, unless only because its token has expired.
    pub(crate) fn rejected(
        &self,
        kind: &RejectionKind,
        session: Option<SessionHandle>,
        subject: Option<&Subject>,
    ) {
        if let Some(reason) = RejectionReason::of(kind) {
            self.emit(EventKind::Rejected(reason), session, subject, None);
        }
    }

    /// A failure, with its cause for the log.
    pub(crate) fn failed(
        &self,
        kind: EventKind,
        session: Option<SessionHandle>,
        subject: Option<&Subject>,
        error: &(dyn Error + 'static),
    ) {
        #[cfg(feature = "tracing")]
        tracing::error!(
            target: "tower_refresh",
            session = session.map(tracing::field::display),
            error,
            "{error}",
        );
        #[cfg(not(feature = "tracing"))]
        let _ = error;
        self.emit(kind, session, subject, None);
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("listener", &self.listener.is_some()).finish_non_exhaustive()
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
        | EventKind::Spent
        | EventKind::Reuse
        | EventKind::Ahead
        | EventKind::Impossible
        | EventKind::FeedLost => at!(WARN),
        EventKind::StoreFailed | EventKind::ClaimsFailed | EventKind::CryptoFailed => at!(ERROR),
    }
}
