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

use super::{denylist::Denied, feed::Status, revocations::Revocations, store::GuardedStore};
use crate::{
    event::{About, EventKind},
    telemetry,
};

const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// Follows the feed of `store` until `owner`, whose revocations it reports, is dropped. It stops at once if the store has none.
pub(crate) fn follow<T: AsRef<Revocations> + Send + Sync + 'static>(
    owner: &Arc<T>,
    store: GuardedStore,
) -> impl Future<Output = ()> + Send + use<T> + 'static {
    let (abort, registration) = AbortHandle::new_pair();
    (**owner).as_ref().feed.abort_on_drop(abort);
    let follower = Follower { owner: Arc::downgrade(owner), unknown_notice_seen: AtomicBool::new(false) };
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
struct Follower<T: AsRef<Revocations>> {
    owner: Weak<T>,
    /// On this connection: who can send on the store's feed must not be able to fill the log.
    unknown_notice_seen: AtomicBool,
}

impl<T: AsRef<Revocations>> Follower<T> {
    /// The result of `then`, unless the owner is gone.
    fn with<R>(&self, then: impl FnOnce(&Revocations) -> R) -> Option<R> {
        self.owner.upgrade().map(|owner| then((*owner).as_ref()))
    }

    /// Access tokens from before earlier notices have expired.
    fn relevant_since(&self) -> Option<Timestamp> {
        self.with(|revocations| revocations.now().saturating_sub(revocations.denied_for()))
    }

    fn is_full(&self) -> bool {
        self.with(|revocations| !revocations.denylist.has_room(revocations.denylist_now())).unwrap_or(false)
    }

    /// Reports why the feed is lost, the first time.
    fn lost(&self, error: &(dyn Error + 'static)) {
        self.with(|revocations| {
            if revocations.feed.set(Status::Lost) != Status::Lost as u8 {
                revocations.events.failed(EventKind::FeedLost, About::default(), error);
            }
        });
    }
}

impl<T: AsRef<Revocations>> Drop for Follower<T> {
    /// The application stopped following, or is shutting down: that is not a loss to report.
    fn drop(&mut self) {
        self.with(|revocations| revocations.feed.set(Status::NotJoined));
    }
}

/// Receives the notices until it is stopped.
struct Watcher<'a, T: AsRef<Revocations>> {
    follower: &'a Follower<T>,
    stop: AbortHandle,
}

impl<T: AsRef<Revocations> + Send + Sync> FeedWatcher for Watcher<'_, T> {
    fn ended(&self, session: SessionHandle, at: Timestamp) {
        self.follower.with(|revocations| {
            // While it catches up, notices are old for another reason than lag.
            if revocations.is_feed_up() {
                telemetry::feed_lag(revocations.now().saturating_since(at));
            }
            self.deny(revocations, session, Denied::All);
        });
    }

    fn outdated(&self, session: SessionHandle, epoch: u32) {
        self.follower.with(|revocations| {
            if let Some(epoch) = NonZeroU32::new(epoch) {
                self.deny(revocations, session, Denied::EpochsBelow(epoch));
            }
        });
    }

    /// Reports a change, except the first join, which is the normal case.
    fn caught_up(&self) {
        self.follower.with(|revocations| {
            if !self.stop.is_aborted() && revocations.feed.set(Status::Up) == Status::Lost as u8 {
                revocations.events.emit(EventKind::FeedRestored, About::default());
            }
        });
    }

    fn unknown_notice(&self) {
        if !self.follower.unknown_notice_seen.swap(true, Ordering::Relaxed) {
            self.follower
                .with(|revocations| revocations.events.emit(EventKind::UnknownNotice, About::default()));
        }
    }
}

impl<T: AsRef<Revocations>> Watcher<'_, T> {
    fn deny(&self, revocations: &Revocations, session: SessionHandle, denied: Denied) {
        if !revocations.deny_reported(session, denied) {
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
