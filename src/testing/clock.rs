use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tower_refresh_core::Timestamp;

use crate::Clock;

/// A clock that stands still until it is moved. Clones are one clock: give one to
/// [`AuthBuilder::clock`](crate::AuthBuilder::clock), and move the other.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// At midnight (UTC) of 1 January 2024: a time that does not change, so that a test that fails fails again.
    pub fn new() -> Self {
        Self::at(Timestamp::from_secs(1_704_067_200))
    }

    /// At `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicU64::new(now.as_millis())))
    }

    /// Moves it on, by whole milliseconds; no further than its end, some hundreds of millions of years on.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().saturating_add(by));
    }

    /// Moves it to `now`, which may be earlier.
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
