//! The feed of ends leaves nothing out. A store without a feed says so, and then there is nothing to keep.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{Mutex, PoisonError},
    task::{Poll, Waker},
};

use super::trial::{MINUTE, NOW, TICK, Trial, after, before};
use crate::{EndReason, EndWatcher, SessionHandle, SessionStore, StoreErrorKind, Timestamp};

/// A watcher is told of each end after it caught up, also of those of a whole subject, with the time of the end.
pub async fn a_watcher_is_told_of_each_end<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    for number in 0..3 {
        trial.created(number).await;
    }
    let seen = Seen::default();
    watch_while(store, NOW, &seen, async {
        seen.until_caught_up().await;
        assert!(
            trial.end(trial.handle(0), EndReason::Logout, after(NOW, MINUTE)).await,
            "the end is the first"
        );
        trial.end_subject(&trial.subject("alice"), None, after(NOW, MINUTE * 2)).await;
        for (number, at) in [(0, MINUTE), (1, MINUTE * 2), (2, MINUTE * 2)] {
            seen.until_told(trial.handle(number), after(NOW, at)).await;
        }
    })
    .await;
}

/// A watcher that comes later is told of the ends since the time it names, that very time included, before it is said to
/// have caught up; also of sessions that have expired since.
pub async fn a_watcher_is_told_of_the_ends_before_it_came<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    for number in 0..3 {
        trial.created(number).await;
    }
    let since = after(NOW, MINUTE);
    let ends = [since, after(since, TICK), after(NOW, MINUTE * 60 * 24 * 400)];
    for (number, at) in (0..).zip(ends) {
        assert!(trial.end(trial.handle(number), EndReason::Reuse, at).await, "the end is the first");
    }
    let seen = Seen::default();
    watch_while(store, since, &seen, async {
        seen.until_caught_up().await;
        for (number, at) in (0..).zip(ends) {
            assert!(
                seen.was_told(trial.handle(number), at),
                "end {number} was told before the feed caught up"
            );
        }
    })
    .await;
}

/// What ended before the time that a watcher names, and what did not end at all, is not told.
pub async fn a_watcher_is_not_told_of_what_it_did_not_ask_for<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    for number in 0..2 {
        trial.created(number).await;
    }
    assert!(trial.end(trial.handle(0), EndReason::Logout, before(NOW, TICK)).await, "the end is the first");
    let seen = Seen::default();
    watch_while(store, NOW, &seen, async {
        seen.until_caught_up().await;
        for number in 0..2 {
            assert!(!seen.knows(trial.handle(number)), "session {number} is not told of");
        }
    })
    .await;
}

/// Several watchers are each told of every end.
pub async fn every_watcher_is_told<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    trial.created(0).await;
    let (first, second) = (Seen::default(), Seen::default());
    watch_while(store, NOW, &first, async {
        watch_while(store, NOW, &second, async {
            first.until_caught_up().await;
            second.until_caught_up().await;
            assert!(trial.end(trial.handle(0), EndReason::Logout, NOW).await, "the end is the first");
            first.until_told(trial.handle(0), NOW).await;
            second.until_told(trial.handle(0), NOW).await;
        })
        .await;
    })
    .await;
}

/// Follows the feed until `work` is done. If the store has no feed, `work` is dropped.
async fn watch_while<S: SessionStore>(
    store: &S,
    since: Timestamp,
    seen: &Seen,
    work: impl Future<Output = ()>,
) {
    let mut watching = pin!(store.watch_ends(since, seen));
    let mut working = pin!(work);
    poll_fn(|context| {
        if let Poll::Ready(Err(error)) = watching.as_mut().poll(context) {
            assert_eq!(
                error.kind(),
                StoreErrorKind::Unsupported,
                "a feed that works does not return: {error:?}"
            );
            return Poll::Ready(());
        }
        working.as_mut().poll(context)
    })
    .await;
}

/// What a watcher was told.
#[derive(Default)]
struct Seen(Mutex<Told>);

#[derive(Default)]
struct Told {
    ends: Vec<(SessionHandle, Timestamp)>,
    caught_up: bool,
    waiting: Vec<Waker>,
}

impl Seen {
    async fn until_caught_up(&self) {
        self.until(|told| told.caught_up).await;
    }

    async fn until_told(&self, handle: SessionHandle, at: Timestamp) {
        self.until(|told| told.ends.contains(&(handle, at))).await;
    }

    fn was_told(&self, handle: SessionHandle, at: Timestamp) -> bool {
        self.read(|told| told.ends.contains(&(handle, at)))
    }

    fn knows(&self, handle: SessionHandle) -> bool {
        self.read(|told| told.ends.iter().any(|(known, _)| *known == handle))
    }

    async fn until(&self, condition: impl Fn(&Told) -> bool) {
        poll_fn(|context| {
            self.read(|told| {
                if condition(told) {
                    return Poll::Ready(());
                }
                told.waiting.push(context.waker().clone());
                Poll::Pending
            })
        })
        .await;
    }

    fn read<T>(&self, read: impl FnOnce(&mut Told) -> T) -> T {
        read(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn tell(&self, change: impl FnOnce(&mut Told)) {
        self.read(|told| {
            change(told);
            told.waiting.drain(..).for_each(Waker::wake);
        });
    }
}

impl EndWatcher for Seen {
    fn ended(&self, session: SessionHandle, at: Timestamp) {
        self.tell(|told| told.ends.push((session, at)));
    }

    fn caught_up(&self) {
        self.tell(|told| told.caught_up = true);
    }
}
