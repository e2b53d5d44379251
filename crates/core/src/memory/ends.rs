//! Ends of sessions, told to those who watch.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, Mutex, Weak},
    task::{Poll, Waker},
};

use super::lock;
use crate::{SessionHandle, Timestamp};

/// Who watches. Those who stopped are forgotten at the next end.
#[derive(Default)]
pub(super) struct Ends(Mutex<Vec<Weak<Mutex<Queue>>>>);

/// What one watcher has not been told yet.
#[derive(Default)]
struct Queue {
    ends: VecDeque<(SessionHandle, Timestamp)>,
    waker: Option<Waker>,
}

impl Ends {
    pub(super) fn publish(&self, handle: SessionHandle, at: Timestamp) {
        lock(&self.0).retain(|queue| {
            let Some(queue) = queue.upgrade() else { return false };
            let mut queue = lock(&queue);
            queue.ends.push_back((handle, at));
            if let Some(waker) = queue.waker.take() {
                waker.wake();
            }
            true
        });
    }

    pub(super) fn subscribe(&self) -> Subscription {
        let queue = Arc::default();
        lock(&self.0).push(Arc::downgrade(&queue));
        Subscription(queue)
    }
}

/// The ends since it was made.
pub(super) struct Subscription(Arc<Mutex<Queue>>);

impl Subscription {
    pub(super) async fn next(&self) -> (SessionHandle, Timestamp) {
        poll_fn(|context| {
            let mut queue = lock(&self.0);
            match queue.ends.pop_front() {
                Some(end) => Poll::Ready(end),
                None => {
                    queue.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}
