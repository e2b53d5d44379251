//! The feed of ended sessions is complete. A store without a feed satisfies these laws if it reports that it has none.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{Mutex, PoisonError},
    task::{Poll, Waker},
};

use super::trial::{MINUTE, NOW, TICK, Trial, after, before};
use crate::{EndReason, FeedWatcher, SessionHandle, SessionStore, StoreErrorKind, Timestamp};

/// A watcher receives each session end after it has caught up, including those of a whole subject, with its time.
pub async fn a_watcher_receives_each_session_end<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    for number in 0..3 {
        trial.created(number).await;
    }
    let recorder = Recorder::default();
    watch_while(store, NOW, &recorder, async {
        recorder.until_caught_up().await;
        assert!(
            trial.end(trial.handle(0), EndReason::Logout, after(NOW, MINUTE)).await,
            "this call ended the session"
        );
        trial.end_subject(&trial.subject("alice"), None, after(NOW, MINUTE * 2)).await;
        for (number, at) in [(0, MINUTE), (1, MINUTE * 2), (2, MINUTE * 2)] {
            recorder.until_reported(trial.handle(number), after(NOW, at)).await;
        }
    })
    .await;
}

/// A new watcher receives the session ends since the requested time, inclusive, before it has caught up. This includes
/// ends after the expiry of the session.
pub async fn a_watcher_receives_earlier_session_ends_before_it_has_caught_up<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    for number in 0..3 {
        trial.created(number).await;
    }
    let since = after(NOW, MINUTE);
    let ends = [since, after(since, TICK), after(NOW, MINUTE * 60 * 24 * 400)];
    for (number, at) in (0..).zip(ends) {
        assert!(trial.end(trial.handle(number), EndReason::Reuse, at).await, "this call ended the session");
    }
    let recorder = Recorder::default();
    watch_while(store, since, &recorder, async {
        recorder.until_caught_up().await;
        for (number, at) in (0..).zip(ends) {
            assert!(
                recorder.was_reported(trial.handle(number), at),
                "session end {number} was reported before the watcher had caught up"
            );
        }
    })
    .await;
}

/// Sessions that ended before the requested time, and sessions that have not ended, are not reported.
pub async fn a_watcher_receives_no_session_end_before_the_requested_time<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    for number in 0..2 {
        trial.created(number).await;
    }
    assert!(
        trial.end(trial.handle(0), EndReason::Logout, before(NOW, TICK)).await,
        "this call ended the session"
    );
    let recorder = Recorder::default();
    watch_while(store, NOW, &recorder, async {
        recorder.until_caught_up().await;
        for number in 0..2 {
            assert!(!recorder.knows(trial.handle(number)), "session {number} is not reported");
        }
    })
    .await;
}

/// Each of several watchers receives every session end.
pub async fn every_watcher_receives_each_session_end<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    trial.created(0).await;
    let (first, second) = (Recorder::default(), Recorder::default());
    watch_while(store, NOW, &first, async {
        watch_while(store, NOW, &second, async {
            first.until_caught_up().await;
            second.until_caught_up().await;
            assert!(trial.end(trial.handle(0), EndReason::Logout, NOW).await, "this call ended the session");
            first.until_reported(trial.handle(0), NOW).await;
            second.until_reported(trial.handle(0), NOW).await;
        })
        .await;
    })
    .await;
}

/// Watches the feed until `work` has completed. If the store has no feed, `work` is dropped.
async fn watch_while<S: SessionStore>(
    store: &S,
    since: Timestamp,
    recorder: &Recorder,
    work: impl Future<Output = ()>,
) {
    let mut watching = pin!(store.watch_feed(since, recorder));
    let mut working = pin!(work);
    poll_fn(|context| {
        if let Poll::Ready(Err(error)) = watching.as_mut().poll(context) {
            assert_eq!(
                error.kind(),
                StoreErrorKind::Unsupported,
                "a working feed does not return: {error:?}"
            );
            return Poll::Ready(());
        }
        working.as_mut().poll(context)
    })
    .await;
}

/// A watcher that records what it receives.
#[derive(Default)]
struct Recorder(Mutex<Received>);

#[derive(Default)]
struct Received {
    ends: Vec<(SessionHandle, Timestamp)>,
    caught_up: bool,
    waiting: Vec<Waker>,
}

impl Recorder {
    async fn until_caught_up(&self) {
        self.until(|received| received.caught_up).await;
    }

    async fn until_reported(&self, handle: SessionHandle, at: Timestamp) {
        self.until(|received| received.ends.contains(&(handle, at))).await;
    }

    fn was_reported(&self, handle: SessionHandle, at: Timestamp) -> bool {
        self.read(|received| received.ends.contains(&(handle, at)))
    }

    fn knows(&self, handle: SessionHandle) -> bool {
        self.read(|received| received.ends.iter().any(|(known, _)| *known == handle))
    }

    async fn until(&self, condition: impl Fn(&Received) -> bool) {
        poll_fn(|context| {
            self.read(|received| {
                if condition(received) {
                    return Poll::Ready(());
                }
                received.waiting.push(context.waker().clone());
                Poll::Pending
            })
        })
        .await;
    }

    fn read<T>(&self, read: impl FnOnce(&mut Received) -> T) -> T {
        read(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn record(&self, change: impl FnOnce(&mut Received)) {
        self.read(|received| {
            change(received);
            received.waiting.drain(..).for_each(Waker::wake);
        });
    }
}

impl FeedWatcher for Recorder {
    fn ended(&self, session: SessionHandle, at: Timestamp) {
        self.record(|received| received.ends.push((session, at)));
    }

    fn outdated(&self, _session: SessionHandle, _epoch: u32) {}

    fn caught_up(&self) {
        self.record(|received| received.caught_up = true);
    }
}
