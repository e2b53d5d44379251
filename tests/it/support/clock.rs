//! A clock that stands still until it is moved.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tower_refresh::{Clock, Timestamp};

#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Times>);

/// In milliseconds.
#[derive(Debug)]
struct Times {
    now: AtomicU64,
    elapsed: AtomicU64,
}

impl ManualClock {
    /// A Tuesday in November 2023, on a whole second.
    pub fn new() -> Self {
        Self(Arc::new(Times { now: AtomicU64::new(1_700_000_000_000), elapsed: AtomicU64::new(0) }))
    }

    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap();
        self.0.elapsed.fetch_add(by, Ordering::SeqCst);
        self.0.now.fetch_add(by, Ordering::SeqCst);
    }

    /// Sets the date, while no time passes.
    pub fn set(&self, now: Timestamp) {
        self.0.now.store(now.as_millis(), Ordering::SeqCst);
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
