//! A clock that tests set and advance.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tower_refresh_core::Timestamp;

use crate::Clock;

/// A clock that moves only when a test moves it. Clones share the same time: pass one to
/// [`AuthBuilder::clock`](crate::AuthBuilder::clock), and move the other.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock at 1 January 2024, 00:00 UTC. The start is fixed, so that failures are reproducible.
    pub fn new() -> Self {
        Self::at(Timestamp::from_secs(1_704_067_200))
    }

    /// A clock at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicU64::new(now.as_millis())))
    }

    /// Moves it forward, in whole milliseconds. It saturates at the maximum of [`Timestamp`].
    pub fn advance(&self, by: Duration) {
        self.set(self.now().saturating_add(by));
    }

    /// Sets it to `now`, which may be earlier.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_millis(), Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}
