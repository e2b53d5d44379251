//! Reports events to the application's closure, to `tracing` and to `metrics`.

use std::{
    error::Error,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

#[cfg(feature = "tracing")]
use tower_refresh_core::Subject;
use tower_refresh_core::{SessionRow, Timestamp};

use super::{About, ClientInfo, Event, EventKind, Misconfiguration, RejectionReason};
#[cfg(feature = "tracing")]
use super::{ClientDifference, DeviceRefusal};
use crate::{RejectionKind, clock::Clock};

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

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    pub(crate) fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    pub(crate) fn emit(&self, kind: EventKind, about: About<'_>) {
        self.emit_with(kind, about, hint(kind));
    }

    /// An event of a refresh by `client`.
    pub(crate) fn emit_for(&self, kind: EventKind, row: &SessionRow, client: &ClientInfo) {
        self.emit(kind, About::client(client).refresh_of(row));
    }

    /// A request was rejected, unless only because its token has expired.
    pub(crate) fn rejected(&self, kind: &RejectionKind, about: About<'_>) {
        if let Some(reason) = RejectionReason::of(kind) {
            self.emit(EventKind::Rejected(reason), about);
        }
    }

    /// A mistake in the application.
    pub(crate) fn misconfigured(&self, mistake: Misconfiguration, kind: &RejectionKind, about: About<'_>) {
        self.emit_with(EventKind::Misconfigured(mistake), about, Some(&kind.to_string()));
    }

    /// A failure, with its cause for the log.
    pub(crate) fn failed(&self, kind: EventKind, about: About<'_>, error: &(dyn Error + 'static)) {
        #[cfg(feature = "tracing")]
        tracing::error!(
            target: "tower_refresh",
            session = about.session.map(tracing::field::display),
            error,
            "{error}",
        );
        #[cfg(not(feature = "tracing"))]
        let _ = error;
        self.emit(kind, about);
    }

    fn emit_with(&self, kind: EventKind, about: About<'_>, message: Option<&str>) {
        let event = event(kind, about, self.now());
        record(&event, message);
        if let Some(listener) = &self.listener {
            // A panic in the audit log must not fail the request.
            let _ = catch_unwind(AssertUnwindSafe(|| listener(&event)));
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("listener", &self.listener.is_some()).finish_non_exhaustive()
    }
}

/// A request reached a route that needs the layer, and did not pass it. There is no closure to call.
pub(crate) fn report_missing_layer(kind: &RejectionKind) {
    let event = EventKind::Misconfigured(Misconfiguration::MissingLayer);
    record(&self::event(event, About::default(), Timestamp::default()), Some(&kind.to_string()));
}

fn event(kind: EventKind, about: About<'_>, at: Timestamp) -> Event {
    Event {
        kind,
        session: about.session,
        subject: about.subject.cloned(),
        at,
        since_rotation: about.rotated_at.map(|rotated_at| at.saturating_since(rotated_at)),
        ip: about.client.and_then(|client| client.ip),
        user_agent: about.client.and_then(ClientInfo::displayable_user_agent),
    }
}

/// What somebody who reads the log should do about an event that is a matter of configuration.
fn hint(kind: EventKind) -> Option<&'static str> {
    match kind {
        EventKind::ResponsesLost => Some(
            "responses with a new refresh token do not arrive: is something outside of the layer replacing responses or dropping Set-Cookie?",
        ),
        EventKind::LargeResponseHead { .. } => Some(
            "a response head with tokens exceeds 4096 bytes: nginx answers it with 502 unless its proxy_buffer_size is larger",
        ),
        EventKind::UnknownNotice => {
            Some("the store's feed has a notice of an unknown kind: does a later version use the same store?")
        }
        _ => None,
    }
}

#[cfg_attr(not(feature = "tracing"), allow(unused_variables))]
fn record(event: &Event, message: Option<&str>) {
    #[cfg(feature = "tracing")]
    trace(event, message);
    #[cfg(feature = "metrics")]
    metrics::counter!(
        "tower_refresh_events_total",
        "event" => event.kind.as_str(),
        "detail" => event.kind.detail(),
    )
    .increment(1);
}

#[cfg(feature = "tracing")]
fn trace(event: &Event, message: Option<&str>) {
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
                ip = event.ip.map(tracing::field::display),
                user_agent = event.user_agent.as_deref(),
                bytes = bytes(event.kind),
                message,
            )
        };
    }
    match event.kind {
        EventKind::DeviceRegistrationRefused(DeviceRefusal::OtherKey) => at!(WARN),
        EventKind::Refresh(_)
        | EventKind::Rejected(_)
        | EventKind::DeviceProven
        | EventKind::DeviceRegistrationRefused(_) => at!(DEBUG),
        EventKind::Login
        | EventKind::Reauthentication
        | EventKind::End(_)
        | EventKind::ClaimsOutdated
        | EventKind::FeedRestored
        | EventKind::JwksRestored
        | EventKind::Redelivered(ClientDifference::Ip)
        | EventKind::Disabled
        | EventKind::DeviceBound
        | EventKind::LoginRequired => at!(INFO),
        EventKind::Late
        | EventKind::Spent
        | EventKind::Reuse
        | EventKind::Suspicious
        | EventKind::Ahead
        | EventKind::Impossible
        | EventKind::DisplacementIncomplete
        | EventKind::FeedLost
        | EventKind::ResponsesLost
        | EventKind::Redelivered(_)
        | EventKind::UnknownNotice
        | EventKind::DeviceUnproven(_)
        | EventKind::LargeResponseHead { .. } => at!(WARN),
        EventKind::StoreFailed
        | EventKind::ClaimsFailed
        | EventKind::AssessmentFailed
        | EventKind::CryptoFailed
        | EventKind::JwksFailed(_)
        | EventKind::JwksExpired
        | EventKind::InvalidClaims(_)
        | EventKind::Misconfigured(_) => at!(ERROR),
    }
}

#[cfg(feature = "tracing")]
const fn bytes(kind: EventKind) -> Option<u64> {
    match kind {
        EventKind::LargeResponseHead { bytes } => Some(bytes as u64),
        _ => None,
    }
}
