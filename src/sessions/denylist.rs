//! Ended sessions whose access tokens have not expired yet.

use std::{
    collections::HashMap,
    fmt,
    sync::{PoisonError, atomic::Ordering},
    time::Duration,
};

use tower_refresh_core::{SessionHandle, Timestamp};

use crate::sync::{ArcSwap, AtomicU64, AtomicUsize, Mutex};

const SHARDS: usize = 64;

/// Expired entries are harmless; scanning for them on every request is not.
const BETWEEN_REMOVALS: Duration = Duration::from_secs(1);

/// The handles whose access tokens are rejected, each until none of its access tokens can still be valid.
///
/// Readers take no lock: one atomic read while the list is empty, else a lookup in the shard's current map. Writers (logouts)
/// copy one shard.
pub(super) struct Denylist {
    entries: AtomicUsize,
    next_removal: AtomicU64,
    shards: Box<[ArcSwap<HashMap<SessionHandle, Timestamp>>]>,
    writer: Mutex<()>,
}

impl Denylist {
    pub(super) fn new() -> Self {
        Self {
            entries: AtomicUsize::new(0),
            next_removal: AtomicU64::new(u64::MAX),
            shards: (0..SHARDS).map(|_| ArcSwap::default()).collect(),
            writer: Mutex::default(),
        }
    }

    /// Rejects access tokens of `handle` until `until`.
    pub(super) fn deny(&self, handle: SessionHandle, until: Timestamp, now: Timestamp) {
        // A client that keeps presenting the token of an ended session causes one write.
        if self.shard(handle).load().get(&handle).is_some_and(|known| *known >= until) {
            return;
        }
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if now.as_millis() >= self.next_removal.load(Ordering::Relaxed) {
            self.remove_expired(now);
        }
        let shard = self.shard(handle);
        let mut map = HashMap::clone(&shard.load());
        let known = map.get(&handle).copied();
        map.insert(handle, known.map_or(until, |known| known.max(until)));
        // Counted before the entry is visible: the early return above relies on every reader finding an entry that is there.
        if known.is_none() {
            self.entries.fetch_add(1, Ordering::Release);
        }
        shard.store(map.into());
        self.next_removal
            .fetch_min(until.max(now.saturating_add(BETWEEN_REMOVALS)).as_millis(), Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn contains(&self, handle: SessionHandle, now: Timestamp) -> bool {
        self.entries.load(Ordering::Acquire) != 0 && self.lists(handle, now)
    }

    fn lists(&self, handle: SessionHandle, now: Timestamp) -> bool {
        if now.as_millis() >= self.next_removal.load(Ordering::Relaxed)
            && let Ok(_writer) = self.writer.try_lock()
        {
            self.remove_expired(now);
        }
        self.shard(handle).load().get(&handle).is_some_and(|until| now < *until)
    }

    fn remove_expired(&self, now: Timestamp) {
        let (mut entries, mut next) = (0, u64::MAX);
        for shard in &self.shards {
            let map = shard.load();
            let live = || map.iter().filter(|(_, until)| now < **until);
            next = live().map(|(_, until)| until.as_millis()).min().unwrap_or(u64::MAX).min(next);
            let count = live().count();
            entries += count;
            if count < map.len() {
                shard
                    .store(live().map(|(handle, until)| (*handle, *until)).collect::<HashMap<_, _>>().into());
            }
        }
        let soonest = now.saturating_add(BETWEEN_REMOVALS).as_millis();
        self.next_removal.store(next.max(soonest), Ordering::Relaxed);
        self.entries.store(entries, Ordering::Release);
    }

    fn shard(&self, handle: SessionHandle) -> &ArcSwap<HashMap<SessionHandle, Timestamp>> {
        &self.shards[usize::from(handle.as_bytes()[0]) % SHARDS]
    }
}

impl fmt::Debug for Denylist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Denylist").field("entries", &self.entries).finish_non_exhaustive()
    }
}
