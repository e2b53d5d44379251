//! Following the store's feed, so that this server rejects the access tokens of sessions that other servers end.

use std::{
    error::Error,
    fmt,
    panic::AssertUnwindSafe,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_timer::Delay;
use futures_util::{
    FutureExt,
    future::{AbortHandle, Abortable},
};
use tower_refresh_core::{EndWatcher, SessionHandle, StoreErrorKind, Timestamp};

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
    let follower = Follower { sessions: Arc::downgrade(sessions) };
    let follow = async move {
        while let Some(since) = follower.relevant_since() {
            let (stop, stopped) = AbortHandle::new_pair();
            let watcher = Watcher { follower: &follower, stop };
            let watch = AssertUnwindSafe(async { store.watch_ends(since, &watcher).await });
            let result = Abortable::new(watch.catch_unwind(), stopped).await;
            if matches!(result, Ok(Ok(Err(error))) if error.kind() == StoreErrorKind::Unsupported) {
                return;
            }
            follower.set_status(Status::Lost, None);
            Delay::new(RECONNECT_AFTER).await;
            // What the feed reports until then has no room, and is reported again after it.
            while follower.is_full() {
                Delay::new(RECONNECT_AFTER).await;
            }
        }
    };
    Abortable::new(follow, registration).map(drop)
}

/// Has a weak reference, so that following does not keep the `Auth` alive.
struct Follower<C> {
    sessions: Weak<Sessions<C>>,
}

impl<C: CustomClaims> Follower<C> {
    /// Access tokens of sessions that ended earlier have expired.
    fn relevant_since(&self) -> Option<Timestamp> {
        let sessions = self.sessions.upgrade()?;
        Some(sessions.now().saturating_sub(sessions.denied_for()))
    }

    fn is_full(&self) -> bool {
        let sessions = self.sessions.upgrade();
        sessions.is_some_and(|sessions| !sessions.denylist.has_room(sessions.events.monotonic()))
    }

    /// Reports a change, except the first join, which is the normal case.
    fn set_status(&self, status: Status, cause: Option<&(dyn Error + 'static)>) {
        let Some(sessions) = self.sessions.upgrade() else { return };
        let was_lost = sessions.feed.set(status) == Status::Lost as u8;
        match (status, cause) {
            (Status::Lost, Some(cause)) if !was_lost => {
                sessions.events.failed(EventKind::FeedLost, None, None, cause);
            }
            (Status::Lost, None) if !was_lost => sessions.events.emit(EventKind::FeedLost, None, None, None),
            (Status::Up, _) if was_lost => sessions.events.emit(EventKind::FeedRestored, None, None, None),
            (Status::NotJoined | Status::Lost | Status::Up, _) => {}
        }
    }
}

impl<C> Drop for Follower<C> {
    /// The application stopped following, or is shutting down: that is not a loss to report.
    fn drop(&mut self) {
        if let Some(sessions) = self.sessions.upgrade() {
            sessions.feed.set(Status::NotJoined);
        }
    }
}

/// Receives the session ends until it is stopped.
struct Watcher<'a, C> {
    follower: &'a Follower<C>,
    stop: AbortHandle,
}

impl<C: CustomClaims> EndWatcher for Watcher<'_, C> {
    fn ended(&self, session: SessionHandle, at: Timestamp) {
        let Some(sessions) = self.follower.sessions.upgrade() else { return };
        // While it catches up, notices are old for another reason than lag.
        if sessions.feed.is_up() {
            telemetry::feed_lag(sessions.now().saturating_since(at));
        }
        if !sessions.deny_reported(session) {
            // A session end that is dropped is a lost feed. Nothing makes room for it: it could be the end that matters.
            self.stop.abort();
            self.follower.set_status(Status::Lost, Some(&TooManyEnds));
        }
    }

    fn caught_up(&self) {
        if !self.stop.is_aborted() {
            self.follower.set_status(Status::Up, None);
        }
    }
}

/// Why a feed that works counts as lost.
#[derive(Debug)]
struct TooManyEnds;

impl fmt::Display for TooManyEnds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the feed reported more ended sessions than this server remembers")
    }
}

impl Error for TooManyEnds {}
