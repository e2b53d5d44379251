//! Locks, and how many of them entries are spread over.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) const SHARDS: usize = 64;

/// A panic elsewhere cannot leave a shard half-written, so a poisoned lock is usable.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
