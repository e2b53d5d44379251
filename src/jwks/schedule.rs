//! When the keys are fetched. It has no clock and no lock: every method takes the time, since some fixed moment.
//!
//! - Without keys, a fetch starts at the first need. After a failure the next one starts at the first need 1, 2, 4 … 30 s later.
//! - With keys, the set is fetched again when it is [`refresh_every`](Schedule::new) old, and when a token names a key that is
//!   not in it; but never within 30 s of the start of the last fetch.
//! - Keys that could not be fetched again for [`stale_for`](Schedule::new) are dropped.
//! - There is one fetch at a time.

use std::time::Duration;

/// From the start of one fetch to that of the next one, as long as there are keys: who sends tokens with invented key ids must not be
/// able to send the issuer more requests than this.
pub(crate) const COOLDOWN: Duration = Duration::from_secs(30);

/// The longest pause after failures while there are no keys.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Schedule {
    refresh_every: Duration,
    stale_for: Duration,
    in_progress: bool,
    last_start: Duration,
    last_end: Duration,
    /// When the fetch of the keys in use began. `None` if there are no keys.
    fetched_at: Option<Duration>,
    /// Since the last success.
    failures: u32,
}

/// What a request does about the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing: what is there must do.
    Nothing,
    /// Join the fetch that is in progress.
    Join,
    /// Start a fetch.
    Start,
}

impl Schedule {
    pub(crate) fn new(refresh_every: Duration, stale_for: Duration) -> Self {
        Self {
            refresh_every,
            stale_for,
            in_progress: false,
            last_start: Duration::ZERO,
            last_end: Duration::ZERO,
            fetched_at: None,
            failures: 0,
        }
    }

    pub(crate) fn has_keys(&self) -> bool {
        self.fetched_at.is_some()
    }

    pub(crate) fn is_in_progress(&self) -> bool {
        self.in_progress
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// For a request whose token's key is not known. It waits for the fetch.
    pub(crate) fn on_unknown_key(&self, now: Duration) -> Step {
        if self.in_progress {
            return Step::Join;
        }
        if now >= self.next_start_allowed() { Step::Start } else { Step::Nothing }
    }

    /// For the application, which may ask for the keys whenever it likes.
    pub(crate) fn on_load(&self) -> Step {
        match (self.in_progress, self.has_keys()) {
            (true, _) => Step::Join,
            (false, true) => Step::Nothing,
            (false, false) => Step::Start,
        }
    }

    /// For any request, which does not wait for the fetch.
    pub(crate) fn on_request(&self, now: Duration) -> Step {
        match self.next_refresh() {
            Some(_) if self.in_progress => Step::Join,
            Some(due) if now >= due => Step::Start,
            _ => Step::Nothing,
        }
    }

    pub(crate) fn started(&mut self, now: Duration) {
        (self.in_progress, self.last_start) = (true, now);
    }

    pub(crate) fn succeeded(&mut self, now: Duration) {
        (self.in_progress, self.last_end) = (false, now);
        (self.fetched_at, self.failures) = (Some(self.last_start), 0);
    }

    pub(crate) fn failed(&mut self, now: Duration) {
        (self.in_progress, self.last_end) = (false, now);
        self.failures = self.failures.saturating_add(1);
    }

    /// Whether the keys are too old to be used. They are then gone.
    pub(crate) fn drop_if_stale(&mut self, now: Duration) -> bool {
        let is_stale = self.stale_at().is_some_and(|stale_at| now >= stale_at);
        if is_stale {
            self.fetched_at = None;
        }
        is_stale
    }

    /// When a request must look again whether a fetch is due or the keys are stale.
    pub(crate) fn next_look(&self) -> Option<Duration> {
        let stale_at = self.stale_at()?;
        // The task of a fetch is lost if its runtime is shut down. A fetch never takes so long otherwise.
        let next =
            if self.in_progress { self.last_start.saturating_add(COOLDOWN) } else { self.next_refresh()? };
        Some(next.min(stale_at))
    }

    fn next_start_allowed(&self) -> Duration {
        match (self.has_keys(), self.failures) {
            (true, _) => self.last_start.saturating_add(COOLDOWN),
            (false, 0) => Duration::ZERO,
            (false, failures) => self.last_end.saturating_add(pause(failures)),
        }
    }

    fn next_refresh(&self) -> Option<Duration> {
        let due = self.fetched_at?.saturating_add(self.refresh_every);
        Some(due.max(self.next_start_allowed()))
    }

    fn stale_at(&self) -> Option<Duration> {
        self.fetched_at.map(|fetched_at| fetched_at.saturating_add(self.stale_for))
    }
}

/// 1, 2, 4, 8, 16 s, and 30 s from then on.
fn pause(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(5);
    Duration::from_secs(1 << doublings).min(LONGEST_PAUSE)
}
