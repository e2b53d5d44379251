//! What all requests of one layer share.

use std::{error::Error, fmt, sync::Arc};

use tower_refresh_core::{EndReason, SessionHandle, SessionRow, StoreError, Subject, Timestamp};

use crate::{
    RejectionKind,
    auth::settings::{CLOCKS_DIFFER, Settings},
    clock::Clock,
    denylist::Denylist,
    event::{Event, EventKind, Events, RejectionReason},
    feed::{Feed, FeedLossPolicy},
    identity::ClaimsSource,
    keys::PreparedKeys,
    outlive::outlive,
    refresh::Flights,
    room::Room,
    session_store::Store,
    token::{Carrier, Presented},
    user::User,
    verify::ring::Ring,
};

pub(crate) struct Shared<C> {
    pub(crate) settings: Settings,
    pub(crate) ring: Ring<PreparedKeys, Arc<User<C>>>,
    pub(crate) store: Store,
    pub(crate) claims: ClaimsSource<C>,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) denylist: Denylist,
    pub(crate) feed: Feed,
    pub(crate) flights: Flights<C>,
    pub(crate) events: Events,
    pub(crate) room: Room,
}

impl<C: Send + Sync + 'static> Shared<C> {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Ends one session for good: once the store has acknowledged it, this server refuses its access tokens. Goes on
    /// although the request is dropped, where there is a runtime to go on in.
    ///
    /// Returns whether this call ended it.
    pub(crate) async fn end(
        self: &Arc<Self>,
        session: SessionHandle,
        subject: Option<Subject>,
        reason: EndReason,
    ) -> Result<bool, StoreError> {
        let shared = self.clone();
        outlive(async move {
            let ended = match shared.store.end(session, reason, shared.now()).await {
                Ok(ended) => ended,
                Err(error) => return Err(shared.store_failed(session, subject, error)),
            };
            shared.deny(session);
            if ended {
                shared.emit(EventKind::End(reason), Some(session), subject, None);
            }
            Ok(ended)
        })
        .await
    }

    /// Ends every session of `subject` but `except`, as [`end`](Self::end) does. Returns those that it ended.
    pub(crate) async fn end_subject(
        self: &Arc<Self>,
        subject: Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
    ) -> Result<Vec<SessionHandle>, StoreError> {
        let shared = self.clone();
        outlive(async move {
            let ended = shared.store.end_subject(&subject, except, reason, shared.now()).await?;
            for session in &ended {
                shared.deny(*session);
                shared.emit(EventKind::End(reason), Some(*session), Some(subject.clone()), None);
            }
            Ok(ended)
        })
        .await
    }

    /// Refuses the access tokens of a session that ended at `at`, while there may be any. A time further ahead than clocks
    /// of servers may differ counts as that far ahead: it is told by whoever can send on the store's feed.
    pub(crate) fn deny_ended(&self, session: SessionHandle, at: Timestamp) {
        let now = self.now();
        let until = at.min(now.saturating_add(CLOCKS_DIFFER)).saturating_add(self.settings.denied_for());
        if now < until {
            self.denylist.deny(session, until, now);
        }
    }

    fn deny(&self, session: SessionHandle) {
        self.deny_ended(session, self.now());
    }

    /// Whether even a valid access token is worth no more than what the store says of its session.
    pub(crate) fn must_ask_store(&self) -> bool {
        self.settings.feed_loss == FeedLossPolicy::AskStore && !self.feed.is_up()
    }

    pub(crate) fn is_denied(&self, session: SessionHandle, now: Timestamp) -> bool {
        self.denylist.contains(session, now)
    }

    pub(crate) fn emit(
        &self,
        kind: EventKind,
        session: Option<SessionHandle>,
        subject: Option<Subject>,
        rotated_at: Option<Timestamp>,
    ) {
        let at = self.now();
        let since_rotation = rotated_at.map(|rotated_at| at.saturating_since(rotated_at));
        self.events.emit(&Event { kind, session, subject, at, since_rotation });
    }

    pub(crate) fn emit_for(&self, kind: EventKind, row: &SessionRow) {
        self.emit(kind, Some(row.handle), Some(row.subject.clone()), Some(row.rotated_at));
    }

    /// Reads the refresh tokens of a request, and tells if none of them counts.
    pub(crate) fn presented<'a>(
        &self,
        texts: impl Iterator<Item = &'a [u8]>,
        carrier: Carrier,
        now: Timestamp,
    ) -> Presented {
        let presented = Presented::read(texts, carrier, &self.ring.keys(), &self.settings.context, now);
        if matches!(presented, Presented::Invalid | Presented::Several(_)) {
            self.emit(EventKind::Rejected(RejectionReason::InvalidRefreshToken), None, None, None);
        }
        presented
    }

    /// Tells of a request that is refused for what it brought, and by whom if that is known.
    pub(crate) fn refused(&self, kind: &RejectionKind, user: Option<&User<C>>) {
        if let Some(refusal) = RejectionReason::of(kind) {
            let (session, subject) = user.map(|user| (user.session, user.subject.clone())).unzip();
            self.emit(EventKind::Rejected(refusal), session, subject, None);
        }
    }

    /// Tells of a failure of the store, and hands the error back.
    pub(crate) fn store_failed(
        &self,
        session: SessionHandle,
        subject: Option<Subject>,
        error: StoreError,
    ) -> StoreError {
        self.failed(EventKind::StoreFailed, session, subject, &error);
        error
    }

    pub(crate) fn failed(
        &self,
        kind: EventKind,
        session: SessionHandle,
        subject: Option<Subject>,
        error: &(dyn Error + 'static),
    ) {
        #[cfg(feature = "tracing")]
        tracing::error!(target: "tower_refresh", %session, error, "{error}");
        #[cfg(not(feature = "tracing"))]
        let _ = error;
        self.emit(kind, Some(session), subject, None);
    }
}

impl<C> fmt::Debug for Shared<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("settings", &self.settings)
            .field("ring", &self.ring)
            .field("store", &self.store)
            .field("denylist", &self.denylist)
            .field("feed", &self.feed)
            .field("flights", &self.flights)
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}
