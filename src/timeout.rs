//! A time limit for a future, on any executor.

use std::{
    cell::RefCell,
    future::poll_fn,
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

use futures_timer::Delay;
use futures_util::{FutureExt, future::Shared};

/// Futures with one limit that start within this part of it share a timer.
const SHARED_FOR: u32 = 16;

/// The output of `future`, or `None` if it takes longer than `limit`, or up to a sixteenth more. A future that is ready at once costs
/// no timer, and others share them: each timer wakes the thread that has all timers, when it starts and when it is dropped, and that
/// takes the processor from a thread which serves requests.
pub(crate) async fn timeout<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut timer = None;
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        timer.get_or_insert_with(|| shared_timer(limit)).poll_unpin(context).map(|()| None)
    })
    .await
}

type Timer = Shared<Delay>;

fn shared_timer(limit: Duration) -> Timer {
    thread_local! {
        static TIMERS: RefCell<Timers> = const { RefCell::new(Timers(Vec::new())) };
    }
    // `Instant` panics there, but a timer may work.
    if cfg!(all(target_family = "wasm", target_os = "unknown")) {
        return Delay::new(limit).shared();
    }
    let now = Instant::now();
    // A thread that ends has none any more.
    TIMERS
        .try_with(|timers| timers.borrow_mut().get(limit, now))
        .unwrap_or_else(|_| Delay::new(limit).shared())
}

/// The timers that a thread has started last, one for each limit.
struct Timers(Vec<Started>);

struct Started {
    limit: Duration,
    since: Instant,
    timer: Timer,
}

impl Timers {
    fn get(&mut self, limit: Duration, now: Instant) -> Timer {
        let is_recent =
            |started: &Started| now.saturating_duration_since(started.since) < spread(started.limit);
        self.0.retain(is_recent);
        if let Some(started) = self.0.iter().find(|started| started.limit == limit) {
            return started.timer.clone();
        }
        let timer = Delay::new(limit.saturating_add(spread(limit))).shared();
        self.0.push(Started { limit, since: now, timer: timer.clone() });
        timer
    }
}

fn spread(limit: Duration) -> Duration {
    limit / SHARED_FOR
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(1600);

    #[test]
    fn futures_share_a_timer_that_none_of_them_outlives_early() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut timers = Timers(Vec::new());
        let first = timers.get(LIMIT, start);
        for (limit, millis, shares, reason) in [
            (LIMIT, 0, true, "at the same time"),
            (LIMIT, 99, true, "the timer ends after 1700 ms, and this limit after 1699 ms"),
            (LIMIT * 2, 99, false, "another limit"),
            (LIMIT, 100, false, "a hundred later, so that the timer could end too early"),
        ] {
            assert_eq!(timers.get(limit, after(millis)).ptr_eq(&first), shares, "{reason}");
        }
    }

    #[test]
    fn timers_that_no_future_can_share_any_more_are_dropped() {
        let start = Instant::now();
        let mut timers = Timers(Vec::new());
        for limit in 1..100 {
            drop(timers.get(Duration::from_millis(limit), start));
        }
        drop(timers.get(LIMIT, start + LIMIT));
        assert_eq!(timers.0.len(), 1);
    }

    #[test]
    fn a_limit_without_an_end_is_no_overflow() {
        let mut timers = Timers(Vec::new());
        assert!(timers.get(Duration::MAX, Instant::now()).now_or_never().is_none());
    }
}
