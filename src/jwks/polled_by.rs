//! Which thread polls the application's closure.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
    thread::{self, ThreadId},
};

/// Knows the thread inside the closure, if it is being polled: what the closure does must not wait for the closure.
#[derive(Debug, Default)]
pub(super) struct PolledBy(Mutex<Option<ThreadId>>);

impl PolledBy {
    /// The output of `future`, which one thread at a time polls.
    pub(super) async fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|context| {
            let _left_at_the_end = self.enter();
            future.as_mut().poll(context)
        })
        .await
    }

    pub(super) fn is_this_thread(&self) -> bool {
        *self.lock() == Some(thread::current().id())
    }

    fn enter(&self) -> Entered<'_> {
        *self.lock() = Some(thread::current().id());
        Entered(self)
    }

    fn lock(&self) -> MutexGuard<'_, Option<ThreadId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Also left by a panic.
struct Entered<'a>(&'a PolledBy);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}
