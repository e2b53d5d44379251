//! The feed of ended sessions and outdated claims is complete. A store without a feed satisfies these laws if it reports that it has none.

use std::{
    collections::HashMap,
    future::{Future, poll_fn},
    pin::pin,
    sync::{Mutex, PoisonError},
    task::{Poll, Waker},
};

use super::trial::{DAY, MINUTE, NOW, TICK, Trial, after, before};
use crate::{EndReason, FeedWatcher, SessionHandle, SessionRow, SessionStore, StoreErrorKind, Timestamp};

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

/// Each of several watchers receives each epoch after it has caught up.
pub async fn every_watcher_receives_each_epoch_of_outdated_claims<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    trial.created(0).await;
    trial.created(1).await;
    let (first, second) = (Recorder::default(), Recorder::default());
    watch_while(store, NOW, &first, async {
        watch_while(store, NOW, &second, async {
            first.until_caught_up().await;
            second.until_caught_up().await;
            for (session, epoch) in [(0, 1), (0, 2), (1, 1), (0, 3)] {
                let outdated = trial.outdate(trial.handle(session), NOW).await;
                assert_eq!(outdated, Some(epoch), "the new epoch is returned");
                first.until_outdated(trial.handle(session), epoch).await;
                second.until_outdated(trial.handle(session), epoch).await;
            }
            let (one, other) = (first.epoch(trial.handle(0)), first.epoch(trial.handle(1)));
            assert_eq!((one, other), (Some(3), Some(1)), "no epoch is larger than the stored one");
        })
        .await;
    })
    .await;
}

/// A new watcher receives the last epoch of each session whose claims were outdated since the requested time, inclusive, before it
/// has caught up: also after the expiry of the session, after swaps, and if clocks differ, so that a later call has an earlier time.
pub async fn a_watcher_receives_earlier_outdated_claims_before_it_has_caught_up<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let since = after(NOW, MINUTE);
    let calls = [
        vec![since],
        vec![before(NOW, DAY), after(since, TICK), after(since, MINUTE)],
        vec![after(NOW, DAY * 400)],
        vec![after(since, MINUTE), before(since, MINUTE)],
        vec![after(since, TICK)],
    ];
    let swapped = 4;
    for (number, times) in (0..).zip(&calls) {
        let row = trial.created(number).await;
        for (epoch, at) in (1..).zip(times) {
            assert_eq!(trial.outdate(row.handle, *at).await, Some(epoch), "the new epoch is returned");
        }
        if number == swapped {
            let next = SessionRow { generation: 1, ..trial.outdated(&row, 1) };
            assert!(trial.swap(&next, trial.version(0)).await, "a swap at the stored version succeeds");
        }
    }
    let recorder = Recorder::default();
    watch_while(store, since, &recorder, async {
        recorder.until_caught_up().await;
        for (number, times) in (0..).zip(&calls) {
            assert_eq!(
                recorder.epoch(trial.handle(number)),
                Some(times.len() as u32),
                "the last epoch of session {number} was reported before the watcher had caught up"
            );
        }
    })
    .await;
}

/// Claims that were outdated before the requested time, and those that were never outdated, are not reported, not even if the row
/// has an epoch.
pub async fn a_watcher_receives_no_claims_outdated_before_the_requested_time<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    trial.created(0).await;
    trial.create(&SessionRow { claims_epoch: 5, ..trial.row(1) }).await;
    assert_eq!(trial.outdate(trial.handle(0), before(NOW, TICK)).await, Some(1), "the new epoch is returned");
    let recorder = Recorder::default();
    watch_while(store, NOW, &recorder, async {
        recorder.until_caught_up().await;
        for number in 0..2 {
            assert_eq!(recorder.epoch(trial.handle(number)), None, "session {number} is not reported");
        }
    })
    .await;
}

/// The claims of an ended session are not outdated, so no watcher receives them.
pub async fn a_watcher_receives_no_outdated_claims_of_ended_sessions<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    for number in 0..2 {
        trial.created(number).await;
    }
    let ended = trial.handle(0);
    assert!(trial.end(ended, EndReason::Logout, NOW).await, "this call ended the session");
    assert_eq!(trial.outdate(ended, NOW).await, None, "the session has ended");
    let recorder = Recorder::default();
    watch_while(store, NOW, &recorder, async {
        recorder.until_caught_up().await;
        assert_eq!(trial.outdate(ended, NOW).await, None, "the session has ended");
        assert_eq!(trial.outdate(trial.handle(1), NOW).await, Some(1), "the new epoch is returned");
        recorder.until_outdated(trial.handle(1), 1).await;
        assert!(recorder.was_reported(ended, NOW), "the session end is reported");
        assert_eq!(recorder.epoch(ended), None, "no epoch of the ended session is reported");
    })
    .await;
}

/// A watcher receives the end of a session whose claims were outdated before, and a new one does too.
pub async fn a_watcher_receives_the_end_of_a_session_with_outdated_claims<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    trial.created(0).await;
    let (first, second) = (Recorder::default(), Recorder::default());
    watch_while(store, NOW, &first, async {
        first.until_caught_up().await;
        assert_eq!(trial.outdate(trial.handle(0), NOW).await, Some(1), "the new epoch is returned");
        first.until_outdated(trial.handle(0), 1).await;
        let ended = trial.end(trial.handle(0), EndReason::Revoked, after(NOW, MINUTE)).await;
        assert!(ended, "this call ended the session");
        first.until_reported(trial.handle(0), after(NOW, MINUTE)).await;
        watch_while(store, NOW, &second, second.until_reported(trial.handle(0), after(NOW, MINUTE))).await;
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
    /// The largest epoch of each session.
    epochs: HashMap<SessionHandle, u32>,
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

    async fn until_outdated(&self, handle: SessionHandle, epoch: u32) {
        self.until(|received| received.epochs.get(&handle) >= Some(&epoch)).await;
    }

    /// The largest epoch that was reported.
    fn epoch(&self, handle: SessionHandle) -> Option<u32> {
        self.read(|received| received.epochs.get(&handle).copied())
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

    fn outdated(&self, session: SessionHandle, epoch: u32) {
        self.record(|received| {
            let last = received.epochs.entry(session).or_default();
            *last = epoch.max(*last);
        });
    }

    fn caught_up(&self) {
        self.record(|received| received.caught_up = true);
    }
}
