//! Following the store's feed of ends: what other servers ended, this one refuses too.

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
use tower_refresh_core::{EndWatcher, SessionHandle, StoreErrorKind, Timestamp};

use crate::{CustomClaims, event::EventKind, feed::Status, measure, shared::Shared};

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
            if matches!(error, Ok(Err(error)) if error.kind() == StoreErrorKind::Unsupported) {
                return;
            }
            watcher.lost();
            Delay::new(RECONNECT_AFTER).await;
        }
    };
    Abortable::new(follow, registration).map(drop)
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
        let was_lost = shared.feed.set(status) == Status::Lost as u8;
        match status {
            Status::Lost if !was_lost => shared.emit(EventKind::FeedLost, None, None, None),
            Status::Up if was_lost => shared.emit(EventKind::FeedRestored, None, None, None),
            Status::NotJoined | Status::Lost | Status::Up => {}
        }
    }
}

impl<C> Drop for Watcher<C> {
    /// Nobody follows any more, which is no loss to tell of: the application, or its end, wanted it so.
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.feed.set(Status::NotJoined);
        }
    }
}

impl<C: CustomClaims> EndWatcher for Watcher<C> {
    fn ended(&self, session: SessionHandle, at: Timestamp) {
        if let Some(shared) = self.shared.upgrade() {
            // What it hears while it catches up is old for another reason.
            if shared.feed.is_up() {
                measure::feed_lag(shared.now().saturating_since(at));
            }
            shared.deny_ended(session, at);
        }
    }

    fn caught_up(&self) {
        self.turn(Status::Up);
    }
}
