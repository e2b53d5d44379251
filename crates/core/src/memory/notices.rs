//! The feed.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, Mutex, Weak},
    task::{Poll, Waker},
};

use super::locks::lock;
use crate::{FeedWatcher, SessionHandle, Timestamp};

/// What the feed reports.
#[derive(Clone, Copy)]
pub(super) enum Notice {
    Ended(SessionHandle, Timestamp),
    Outdated(SessionHandle, u32),
}

impl Notice {
    pub(super) fn report(self, watcher: &dyn FeedWatcher) {
        match self {
            Self::Ended(session, at) => watcher.ended(session, at),
            Self::Outdated(session, epoch) => watcher.outdated(session, epoch),
        }
    }
}

/// The queues of the subscribers. A dropped subscription is removed at the next notice.
#[derive(Default)]
pub(super) struct Notices(Mutex<Vec<Weak<Mutex<Queue>>>>);

/// The notices that a subscriber has not received yet.
#[derive(Default)]
struct Queue {
    notices: VecDeque<Notice>,
    waker: Option<Waker>,
}

impl Notices {
    pub(super) fn publish(&self, notice: Notice) {
        lock(&self.0).retain(|queue| {
            let Some(queue) = queue.upgrade() else { return false };
            let mut queue = lock(&queue);
            queue.notices.push_back(notice);
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

/// Receives the notices since it was created.
pub(super) struct Subscription(Arc<Mutex<Queue>>);

impl Subscription {
    pub(super) async fn next(&self) -> Notice {
        poll_fn(|context| {
            let mut queue = lock(&self.0);
            match queue.notices.pop_front() {
                Some(notice) => Poll::Ready(notice),
                None => {
                    queue.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}
