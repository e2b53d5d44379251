//! What is known of the store's feed of ends, and what is done without it.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
};

use futures_util::future::AbortHandle;

use crate::measure;

/// What a server does with valid access tokens while it does not hear what other servers end: the store's feed is lost, not
/// joined yet, not followed, or there is none. The gauge `tower_refresh_feed_up` is 0 in each of these cases;
/// [`EventKind::FeedLost`](crate::event::EventKind::FeedLost) tells of a loss only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeedLossPolicy {
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
pub(crate) enum Status {
    NotJoined,
    Up,
    Lost,
}

impl Feed {
    pub(crate) fn new() -> Self {
        // Said at once: perhaps nobody ever follows it.
        measure::feed_up(false);
        Self { status: AtomicU8::new(Status::NotJoined as u8), followers: Mutex::default() }
    }

    /// Whether ends of other servers are known here within moments.
    pub(crate) fn is_up(&self) -> bool {
        self.status.load(Ordering::Acquire) == Status::Up as u8
    }

    /// Returns what it was.
    pub(crate) fn set(&self, status: Status) -> u8 {
        measure::feed_up(status == Status::Up);
        self.status.swap(status as u8, Ordering::AcqRel)
    }

    pub(crate) fn stop_with_auth(&self, follower: AbortHandle) {
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
