//! Following the store's feed, so that this server rejects the access tokens of sessions that other servers end.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_timer::Delay;
use futures_util::{
    FutureExt,
    future::{AbortHandle, Abortable},
};
use tower_refresh_core::{EndWatcher, SessionHandle, StoreError, StoreErrorKind, Timestamp};

use super::{Sessions, feed::Status};
use crate::{CustomClaims, event::EventKind, telemetry};

const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// Follows the feed until `sessions` is dropped, and stops at once if the store has none.
pub(crate) fn follow<C: CustomClaims>(
    sessions: &Arc<Sessions<C>>,
) -> impl Future<Output = ()> + Send + use<C> + 'static {
    let (abort, registration) = AbortHandle::new_pair();
    sessions.feed.abort_on_drop(abort);
    let store = sessions.store.clone();
    let watcher = Watcher { sessions: Arc::downgrade(sessions) };
    let follow = async move {
        while let Some(since) = watcher.relevant_since() {
            let watch = AssertUnwindSafe(async { store.watch_ends(since, &watcher).await });
            let error = match watch.catch_unwind().await {
                Ok(Ok(never)) => match never {},
                Ok(Err(error)) if error.kind() == StoreErrorKind::Unsupported => return,
                Ok(Err(error)) => error,
                Err(_panic) => StoreError::with_source(StoreErrorKind::Unavailable, "the store panicked"),
            };
            watcher.lost(&error);
            Delay::new(RECONNECT_AFTER).await;
        }
    };
    Abortable::new(follow, registration).map(drop)
}

/// Has a weak reference, so that following does not keep the `Auth` alive.
struct Watcher<C> {
    sessions: Weak<Sessions<C>>,
}

impl<C: CustomClaims> Watcher<C> {
    /// Access tokens of sessions that ended earlier have expired.
    fn relevant_since(&self) -> Option<Timestamp> {
        let sessions = self.sessions.upgrade()?;
        Some(sessions.now().saturating_sub(sessions.denied_for()))
    }

    /// Reports why the feed is lost, the first time.
    fn lost(&self, error: &StoreError) {
        let Some(sessions) = self.sessions.upgrade() else { return };
        if sessions.feed.set(Status::Lost) != Status::Lost as u8 {
            sessions.events.failed(EventKind::FeedLost, None, None, error);
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

    /// Reports a change, except the first join, which is the normal case.
    fn caught_up(&self) {
        let Some(sessions) = self.sessions.upgrade() else { return };
        if sessions.feed.set(Status::Up) == Status::Lost as u8 {
            sessions.events.emit(EventKind::FeedRestored, None, None, None);
        }
    }
}
