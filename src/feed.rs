//! The feed of ends: what other servers ended, this one refuses too.

use std::{
    fmt, mem,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use futures_timer::Delay;
use futures_util::{
    FutureExt,
    future::{AbortHandle, Abortable},
};
use tower_refresh_core::{EndWatcher, Handle, StoreErrorKind, Timestamp};

use crate::{CustomClaims, event::EventKind, shared::Shared};

const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// Follows the store's feed until the last [`Auth`](crate::Auth) is dropped, or at once no more if the store has none.
pub(crate) fn follow<C: CustomClaims>(
    shared: &Arc<Shared<C>>,
) -> impl Future<Output = ()> + Send + use<C> + 'static {
    let (abort, registration) = AbortHandle::new_pair();
    shared.feed.stop_with_auth(abort);
    let store = shared.store.clone();
    let watcher = Watcher { shared: Arc::downgrade(shared) };
    let follow = async move {
        while let Some(since) = watcher.begin() {
            let watch = AssertUnwindSafe(async { store.watch_ends(since, &watcher).await });
            let error = watch.catch_unwind().await;
            if error.is_ok_and(|error| error.kind() == StoreErrorKind::Unsupported) {
                return;
            }
            watcher.lost();
            Delay::new(RECONNECT_AFTER).await;
        }
    };
    Abortable::new(follow, registration).map(drop)
}

/// What is known of the feed.
#[derive(Default)]
pub(crate) struct Feed {
    status: Mutex<Status>,
    followers: Mutex<Vec<AbortHandle>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Status {
    #[default]
    NotJoined,
    Up,
    Lost,
}

impl Feed {
    /// Returns what it was.
    fn set(&self, status: Status) -> Status {
        mem::replace(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner), status)
    }

    fn stop_with_auth(&self, follower: AbortHandle) {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner).push(follower);
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let followers = self.followers.get_mut().unwrap_or_else(PoisonError::into_inner);
        followers.drain(..).for_each(|follower| follower.abort());
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Holds on to nothing, so that following does not keep the `Auth` alive.
struct Watcher<C> {
    shared: Weak<Shared<C>>,
}

impl<C: CustomClaims> Watcher<C> {
    /// From when on ends matter: access tokens of sessions that ended earlier have expired.
    fn begin(&self) -> Option<Timestamp> {
        let shared = self.shared.upgrade()?;
        Some(shared.now().saturating_sub(shared.settings.denied_for()))
    }

    fn lost(&self) {
        self.turn(Status::Lost, Status::Up, EventKind::FeedLost);
    }

    /// Tells of the change, if the status was `before`.
    fn turn(&self, status: Status, before: Status, kind: EventKind) {
        let Some(shared) = self.shared.upgrade() else { return };
        #[cfg(feature = "metrics")]
        metrics::gauge!("tower_refresh_feed_up").set(f64::from(u8::from(status == Status::Up)));
        if shared.feed.set(status) == before {
            shared.emit(kind, None, None, None);
        }
    }
}

impl<C: CustomClaims> EndWatcher for Watcher<C> {
    fn ended(&self, session: Handle, at: Timestamp) {
        if let Some(shared) = self.shared.upgrade() {
            shared.deny_ended(session, at);
        }
    }

    fn caught_up(&self) {
        self.turn(Status::Up, Status::Lost, EventKind::FeedRestored);
    }
}
