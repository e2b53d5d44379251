//! Following the store's feed, so that this server rejects the access tokens of sessions that other servers end, and refreshes
//! those whose claims other servers outdate.

use std::{
    error::Error,
    fmt,
    num::NonZeroU32,
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
use tower_refresh_core::{FeedWatcher, SessionHandle, StoreError, StoreErrorKind, Timestamp};

use super::{Sessions, denylist::Denied, feed::Status};
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
    let follower =
        Follower { sessions: Arc::downgrade(sessions), unknown_notice_seen: AtomicBool::new(false) };
    let follow = async move {
        while let Some(since) = follower.relevant_since() {
            follower.unknown_notice_seen.store(false, Ordering::Relaxed);
            let (stop, stopped) = AbortHandle::new_pair();
            let watcher = Watcher { follower: &follower, stop };
            let watch = AssertUnwindSafe(async { store.watch_feed(since, &watcher).await });
            match Abortable::new(watch.catch_unwind(), stopped).await {
                Ok(Ok(Ok(never))) => match never {},
                Ok(Ok(Err(error))) if error.kind() == StoreErrorKind::Unsupported => return,
                Ok(Ok(Err(error))) => follower.lost(&error),
                Ok(Err(_panic)) => {
                    let error = StoreError::with_source(StoreErrorKind::Unavailable, "the store panicked");
                    follower.lost(&error);
                }
                Err(_stopped) => follower.lost(&TooManyNotices),
            }
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
    /// On this connection: who can send on the store's feed must not be able to fill the log.
    unknown_notice_seen: AtomicBool,
}

impl<C: CustomClaims> Follower<C> {
    /// Access tokens from before earlier notices have expired.
    fn relevant_since(&self) -> Option<Timestamp> {
        let sessions = self.sessions.upgrade()?;
        Some(sessions.now().saturating_sub(sessions.denied_for()))
    }

    fn is_full(&self) -> bool {
        let sessions = self.sessions.upgrade();
        sessions.is_some_and(|sessions| !sessions.denylist.has_room(sessions.denylist_now()))
    }

    /// Reports why the feed is lost, the first time.
    fn lost(&self, error: &(dyn Error + 'static)) {
        let Some(sessions) = self.sessions.upgrade() else { return };
        if sessions.feed.set(Status::Lost) != Status::Lost as u8 {
            sessions.events.failed(EventKind::FeedLost, About::default(), error);
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

/// Receives the notices until it is stopped.
struct Watcher<'a, C> {
    follower: &'a Follower<C>,
    stop: AbortHandle,
}

impl<C: CustomClaims> FeedWatcher for Watcher<'_, C> {
    fn ended(&self, session: SessionHandle, at: Timestamp) {
        let Some(sessions) = self.follower.sessions.upgrade() else { return };
        // While it catches up, notices are old for another reason than lag.
        if sessions.feed.is_up() {
            telemetry::feed_lag(sessions.now().saturating_since(at));
        }
        self.deny(&sessions, session, Denied::All);
    }

    fn outdated(&self, session: SessionHandle, epoch: u32) {
        let Some(sessions) = self.follower.sessions.upgrade() else { return };
        if let Some(epoch) = NonZeroU32::new(epoch) {
            self.deny(&sessions, session, Denied::EpochsBelow(epoch));
        }
    }

    /// Reports a change, except the first join, which is the normal case.
    fn caught_up(&self) {
        let Some(sessions) = self.follower.sessions.upgrade() else { return };
        if !self.stop.is_aborted() && sessions.feed.set(Status::Up) == Status::Lost as u8 {
            sessions.events.emit(EventKind::FeedRestored, About::default());
        }
    }

    fn unknown_notice(&self) {
        if !self.follower.unknown_notice_seen.swap(true, Ordering::Relaxed)
            && let Some(sessions) = self.follower.sessions.upgrade()
        {
            sessions.events.emit(EventKind::UnknownNotice, About::default());
        }
    }
}

impl<C: CustomClaims> Watcher<'_, C> {
    fn deny(&self, sessions: &Sessions<C>, session: SessionHandle, denied: Denied) {
        if !sessions.deny_reported(session, denied) {
            // A notice that is dropped is a lost feed. Nothing makes room for it: it could be the one that matters.
            self.stop.abort();
            self.follower.lost(&TooManyNotices);
        }
    }
}

/// Why a feed that works counts as lost.
#[derive(Debug)]
struct TooManyNotices;

impl fmt::Display for TooManyNotices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the feed reported more sessions than this server remembers")
    }
}

impl Error for TooManyNotices {}
