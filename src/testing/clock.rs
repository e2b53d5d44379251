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
pub struct ManualClock(Arc<Times>);

/// In milliseconds.
#[derive(Debug)]
struct Times {
    now: AtomicU64,
    elapsed: AtomicU64,
}

impl ManualClock {
    /// A clock at 1 January 2024, 00:00 UTC. The start is fixed, so that failures are reproducible.
    pub fn new() -> Self {
        Self::at(Timestamp::from_secs(1_704_067_200))
    }

    /// A clock at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(Times { now: AtomicU64::new(now.as_millis()), elapsed: AtomicU64::new(0) }))
    }

    /// Lets this much time pass, in whole milliseconds. It saturates at the maximum of [`Timestamp`].
    pub fn advance(&self, by: Duration) {
        let elapsed = u64::try_from(self.monotonic().saturating_add(by).as_millis()).unwrap_or(u64::MAX);
        self.0.elapsed.store(elapsed, Ordering::SeqCst);
        self.set(self.now().saturating_add(by));
    }

    /// Sets the date to `now`, which may be earlier. As on a server whose clock is corrected, no time passes.
    pub fn set(&self, now: Timestamp) {
        self.0.now.store(now.as_millis(), Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.now.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.elapsed.load(Ordering::SeqCst))
    }
}
