//! Records whether the store's feed of ended sessions is followed, and by which tasks.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
};

use futures_util::future::AbortHandle;

use crate::telemetry;

/// Whether the feed is followed, and by which tasks.
pub(super) struct Feed {
    status: AtomicU8,
    followers: Mutex<Vec<AbortHandle>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Status {
    NotJoined,
    Up,
    Lost,
}

impl Feed {
    pub(super) fn new() -> Self {
        // Shown at once: the feed may never be followed.
        telemetry::feed_up(false);
        Self { status: AtomicU8::new(Status::NotJoined as u8), followers: Mutex::default() }
    }

    /// Whether this server learns within moments which sessions other servers end.
    pub(super) fn is_up(&self) -> bool {
        self.status.load(Ordering::Acquire) == Status::Up as u8
    }

    /// Returns the former status.
    pub(super) fn set(&self, status: Status) -> u8 {
        telemetry::feed_up(status == Status::Up);
        self.status.swap(status as u8, Ordering::AcqRel)
    }

    /// Aborts `follower` when the feed is dropped.
    pub(super) fn abort_on_drop(&self, follower: AbortHandle) {
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
