//! Following the store's feed, so that this server rejects the access tokens of sessions that other servers end.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_timer::Delay;
use futures_util::{
    FutureExt,
    future::{AbortHandle, Abortable},
};
use tower_refresh_core::{EndWatcher, SessionHandle, StoreErrorKind, Timestamp};

use super::{Sessions, feed::Status};
use crate::{
    CustomClaims,
    event::{About, EventKind},
    telemetry,
};

const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// Follows the feed until `sessions` is dropped, and stops at once if the store has none.
pub(crate) fn follow<C: CustomClaims>(
    sessions: &Arc<Sessions<C>>,
) -> impl Future<Output = ()> + Send + use<C> + 'static {
    let (abort, registration) = AbortHandle::new_pair();
    sessions.feed.abort_on_drop(abort);
    let store = sessions.store.clone();
    let watcher = Watcher { sessions: Arc::downgrade(sessions), unknown_notice_seen: AtomicBool::new(false) };
    let follow = async move {
        while let Some(since) = watcher.relevant_since() {
            watcher.unknown_notice_seen.store(false, Ordering::Relaxed);
            let watch = AssertUnwindSafe(async { store.watch_ends(since, &watcher).await });
            let result = watch.catch_unwind().await;
            if matches!(result, Ok(Err(error)) if error.kind() == StoreErrorKind::Unsupported) {
                return;
            }
            watcher.set_status(Status::Lost);
            Delay::new(RECONNECT_AFTER).await;
        }
    };
    Abortable::new(follow, registration).map(drop)
}

/// Has a weak reference, so that following does not keep the `Auth` alive.
struct Watcher<C> {
    sessions: Weak<Sessions<C>>,
    /// On this connection: who can send on the store's feed must not be able to fill the log.
    unknown_notice_seen: AtomicBool,
}

impl<C: CustomClaims> Watcher<C> {
    /// Access tokens of sessions that ended earlier have expired.
    fn relevant_since(&self) -> Option<Timestamp> {
        let sessions = self.sessions.upgrade()?;
        Some(sessions.now().saturating_sub(sessions.denied_for()))
    }

    /// Reports a change, except the first join, which is the normal case.
    fn set_status(&self, status: Status) {
        let Some(sessions) = self.sessions.upgrade() else { return };
        let was_lost = sessions.feed.set(status) == Status::Lost as u8;
        match status {
            Status::Lost if !was_lost => sessions.events.emit(EventKind::FeedLost, About::default()),
            Status::Up if was_lost => sessions.events.emit(EventKind::FeedRestored, About::default()),
            Status::NotJoined | Status::Lost | Status::Up => {}
        }
    }
}

impl<C> Drop for Watcher<C> {
    /// The application stopped following, or is shutting down: that is not a loss to report.
    fn drop(&mut self) {
        if let Some(sessions) = self.sessions.upgrade() {
            sessions.feed.set(Status::NotJoined);
        }
    }
}

impl<C: CustomClaims> EndWatcher for Watcher<C> {
    fn ended(&self, session: SessionHandle, at: Timestamp) {
        if let Some(sessions) = self.sessions.upgrade() {
            // While it catches up, notices are old for another reason than lag.
            if sessions.feed.is_up() {
                telemetry::feed_lag(sessions.now().saturating_since(at));
            }
            sessions.deny_ended(session, at);
        }
    }

    fn caught_up(&self) {
        self.set_status(Status::Up);
    }

    fn unknown_notice(&self) {
        if !self.unknown_notice_seen.swap(true, Ordering::Relaxed)
            && let Some(sessions) = self.sessions.upgrade()
        {
            sessions.events.emit(EventKind::UnknownNotice, About::default());
        }
    }
}
