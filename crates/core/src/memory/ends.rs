//! The feed of ended sessions.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, Mutex, Weak},
    task::{Poll, Waker},
};

use super::locks::lock;
use crate::{SessionHandle, Timestamp};

/// The queues of the subscribers. A dropped subscription is removed at the next session end.
#[derive(Default)]
pub(super) struct Ends(Mutex<Vec<Weak<Mutex<Queue>>>>);

/// The session ends that a subscriber has not received yet.
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

/// Receives the session ends since it was created.
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
