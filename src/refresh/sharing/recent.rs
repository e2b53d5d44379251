//! A short memory of results, for requests that come at once and still too late to join the work. Whoever finds one decides whether it
//! may be used.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    fmt,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use foldhash::quality::RandomState;

/// One or two kilobytes each, so that many requests cannot fill the memory. Beyond this, each is remembered for less long.
const MOST: usize = 1024;

/// Results, each for the same time after it was kept, and until the next one is.
pub(in crate::refresh) struct Recent<K, V> {
    kept: Mutex<Kept<K, V>>,
    lifetime: Duration,
}

struct Kept<K, V> {
    results: HashMap<K, (Duration, V), RandomState>,
    /// The oldest first.
    order: VecDeque<(Duration, K)>,
}

impl<K: Copy + Eq + Hash, V: Clone> Recent<K, V> {
    pub(in crate::refresh) fn new(lifetime: Duration) -> Self {
        let kept = Kept { results: HashMap::default(), order: VecDeque::new() };
        Self { kept: Mutex::new(kept), lifetime }
    }

    /// `now` is of a monotonic clock, and only read if there is a result.
    pub(in crate::refresh) fn find(&self, key: &K, now: impl FnOnce() -> Duration) -> Option<V> {
        let (kept_at, result) = self.lock().results.get(key)?.clone();
        let age = now().checked_sub(kept_at)?;
        (age < self.lifetime).then_some(result)
    }

    pub(in crate::refresh) fn keep(&self, key: K, result: V, now: Duration) {
        // Dropped without the lock, because results contain values of the application.
        let replaced = self.lock().insert(key, result, now);
        drop(replaced);
        loop {
            let removed = self.lock().remove_oldest(now, self.lifetime);
            if removed.is_none() {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept<K, V>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy + Eq + Hash, V> Kept<K, V> {
    fn insert(&mut self, key: K, result: V, now: Duration) -> Option<(Duration, V)> {
        self.order.push_back((now, key));
        self.results.insert(key, (now, result))
    }

    /// The oldest result, if it is over or there are too many.
    fn remove_oldest(&mut self, now: Duration, lifetime: Duration) -> Option<V> {
        while let Some(&(kept_at, key)) = self.order.front() {
            if self.order.len() <= MOST && now < kept_at.saturating_add(lifetime) {
                return None;
            }
            self.order.pop_front();
            // Unless another one has replaced it.
            if let Entry::Occupied(entry) = self.results.entry(key)
                && entry.get().0 == kept_at
            {
                return Some(entry.remove().1);
            }
        }
        None
    }
}

impl<K, V> fmt::Debug for Recent<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").finish_non_exhaustive()
    }
}
