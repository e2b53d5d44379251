//! A queue from futures to a thread.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// Items that wait for one of several threads.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
}

struct State<T> {
    items: VecDeque<T>,
    /// Threads that sleep. Waking costs a system call, so it is skipped if there are none.
    sleeping: usize,
    closed: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        let state = State { items: VecDeque::new(), sleeping: 0, closed: false };
        Self { state: Mutex::new(state), filled: Condvar::new() }
    }

    pub(crate) fn push(&self, item: T) {
        let mut state = self.lock();
        state.items.push_back(item);
        let sleeping = state.sleeping > 0;
        drop(state);
        if sleeping {
            self.filled.notify_one();
        }
    }

    /// Pushes the item if a thread would start on it immediately. Otherwise returns it.
    pub(crate) fn push_if_idle(&self, item: T) -> Result<(), T> {
        let mut state = self.lock();
        if state.sleeping == 0 || !state.items.is_empty() {
            return Err(item);
        }
        state.items.push_back(item);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for an item, and returns what `take` takes of the queue. `None` once the queue is closed and empty.
    pub(crate) fn take<R>(&self, take: impl FnOnce(&mut VecDeque<T>) -> R) -> Option<R> {
        let mut state = self.lock();
        while state.items.is_empty() {
            if state.closed {
                return None;
            }
            state.sleeping += 1;
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.sleeping -= 1;
        }
        Some(take(&mut state.items))
    }

    /// Lets the threads return once the queue is empty.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
