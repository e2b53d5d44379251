//! The source of the time.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tower_refresh_core::Timestamp;

/// The largest difference between the clocks of servers with which ended sessions stay rejected, and access tokens of another server
/// are valid.
pub(crate) const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);

/// A source of the time. The middleware reads the time only through this trait, so that tests need not sleep.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
/// use tower_refresh::{Clock, Timestamp};
///
/// struct Manual(AtomicU64);
///
/// impl Clock for Manual {
///     fn now(&self) -> Timestamp {
///         Timestamp::from_millis(self.0.load(Ordering::Relaxed))
///     }
/// }
///
/// let clock = Arc::new(Manual(AtomicU64::new(1_000)));
/// clock.0.store(2_000, Ordering::Relaxed);
/// assert_eq!(clock.now(), Timestamp::from_secs(2));
/// ```
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// The time since some fixed moment, which never goes back: how long this server remembers which sessions have ended does not
    /// depend on the date. The default is the monotonic clock of the operating system, which panics on a target without one, as
    /// `wasm32-unknown-unknown`: override it there. A clock for tests overrides it, so that what is remembered is also forgotten.
    fn monotonic(&self) -> Duration {
        static FIRST_USE: OnceLock<Instant> = OnceLock::new();
        FIRST_USE.get_or_init(Instant::now).elapsed()
    }
}

impl<T: Clock + ?Sized> Clock for Arc<T> {
    fn now(&self) -> Timestamp {
        T::now(self)
    }

    fn monotonic(&self) -> Duration {
        T::monotonic(self)
    }
}

/// The clock of the operating system: the default. A time before 1970 reads as 1970. It panics on a target that has
/// no time, as `wasm32-unknown-unknown`: see [`AuthBuilder::clock`](crate::AuthBuilder::clock).
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "it has no settings, and is used as a value")]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::default().saturating_add(since_epoch)
    }
}
