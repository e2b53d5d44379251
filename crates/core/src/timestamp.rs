//! A point in time, in milliseconds since the Unix epoch.

use std::time::{Duration, SystemTime};

/// Milliseconds since 1970-01-01T00:00:00Z. All arithmetic and all conversions saturate.
///
/// This crate never reads a clock. The caller passes the time in, so that tests and simulations choose it.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_refresh_core::Timestamp;
///
/// let now = Timestamp::from(SystemTime::now());
/// let in_an_hour = SystemTime::from(now.saturating_add(Duration::from_secs(3600)));
/// # assert!(in_an_hour > SystemTime::now());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// A time in milliseconds since the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// A time in whole seconds since the epoch.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// The time that is `after` later. `after` is rounded down to milliseconds.
    #[must_use]
    pub fn saturating_add(self, after: Duration) -> Self {
        Self(self.0.saturating_add(millis(after)))
    }

    /// The time that is `before` earlier. `before` is rounded down to milliseconds.
    #[must_use]
    pub fn saturating_sub(self, before: Duration) -> Self {
        Self(self.0.saturating_sub(millis(before)))
    }

    /// The time elapsed since `earlier`, or zero if `earlier` is in the future.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Rounds down to milliseconds. A time before 1970 becomes the epoch.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, millis))
    }
}

/// A time that the platform cannot represent becomes the latest one that it can, to the millisecond.
impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        let exact = Self::UNIX_EPOCH.checked_add(Duration::from_millis(time.0));
        exact.unwrap_or_else(|| {
            let steps = (0..u64::BITS).rev().map(|bit| Duration::from_millis(1 << bit));
            steps.fold(Self::UNIX_EPOCH, |latest, step| latest.checked_add(step).unwrap_or(latest))
        })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
