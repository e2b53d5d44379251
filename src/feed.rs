//! The feed of ends: what other servers ended, this one refuses too.

use std::{
    fmt,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU8, Ordering},
    },
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

/// What a server does with valid access tokens while it does not hear what other servers end: the store's feed is lost, not
/// joined yet, or there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeedLoss {
    /// It goes on: a session that another server ended stays good here until its access token expires. The default, so
    /// that a store in trouble does not take those down who need it least.
    #[default]
    GoOn,
    /// It asks the store on each request: an ended session is refused at once, every request costs a load, and while the
    /// store is down nobody is let in (503). Access tokens are not renewed ahead of their end meanwhile.
    AskStore,
}

/// What is known of the feed.
pub(crate) struct Feed {
    status: AtomicU8,
    followers: Mutex<Vec<AbortHandle>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Status {
    NotJoined,
    Up,
    Lost,
}

impl Default for Feed {
    fn default() -> Self {
        Self { status: AtomicU8::new(Status::NotJoined as u8), followers: Mutex::default() }
    }
}

impl Feed {
    /// Whether ends of other servers are known here within moments.
    pub(crate) fn is_up(&self) -> bool {
        self.status.load(Ordering::Acquire) == Status::Up as u8
    }

    /// Returns what it was.
    fn set(&self, status: Status) -> u8 {
        self.status.swap(status as u8, Ordering::AcqRel)
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
        f.debug_struct("Feed").field("is_up", &self.is_up()).finish_non_exhaustive()
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
        self.turn(Status::Lost);
    }

    /// Tells of a change; not of the first join, which is how it should be.
    fn turn(&self, status: Status) {
        let Some(shared) = self.shared.upgrade() else { return };
        #[cfg(feature = "metrics")]
        metrics::gauge!("tower_refresh_feed_up").set(f64::from(u8::from(status == Status::Up)));
        let was_lost = shared.feed.set(status) == Status::Lost as u8;
        match status {
            Status::Lost if !was_lost => shared.emit(EventKind::FeedLost, None, None, None),
            Status::Up if was_lost => shared.emit(EventKind::FeedRestored, None, None, None),
            Status::NotJoined | Status::Lost | Status::Up => {}
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
        self.turn(Status::Up);
    }
}
