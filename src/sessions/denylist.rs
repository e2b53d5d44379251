//! Sessions that have ended, or whose claims are outdated, and whose access tokens have not expired yet.

use std::{
    collections::HashMap,
    fmt,
    num::NonZeroU32,
    sync::{PoisonError, atomic::Ordering},
    time::Duration,
};

use tower_refresh_core::{SessionHandle, Timestamp};

use crate::sync::{ArcSwap, AtomicU64, AtomicUsize, Mutex, OnceLock, SHARDS};

/// Expired entries are harmless; scanning for them on every request is not.
const BETWEEN_REMOVALS: Duration = Duration::from_secs(1);

/// How much longer than necessary an entry stays, so that a session that is denied again and again costs a write a minute: the
/// feed reports this server's own session ends too, and a client may keep presenting a dead token.
const SURPLUS: Duration = Duration::from_secs(60);

/// The entries of a shard that only the feed has reported. Anyone who can send on the feed chooses them, so they are bounded: 458,752 in
/// all shards, which 500 logouts and changes of roles a second on all other servers together do not reach (250 for a server that follows the
/// feed again after an outage), and which take 25 MB. A shard of so many fills its
/// table, and a larger one would make each write copy twice as much.
const MAX_REPORTED: usize = 448;

/// The handles whose access tokens are denied, all or those with outdated claims, each until none of these access tokens can
/// still be valid.
///
/// An entry stays until it is over by the monotonic clock and by the wall clock: if the wall clock jumps ahead and back, no entry is
/// lost, and if it is set back, an entry stays as long as the access tokens, which expire by that clock.
///
/// Readers take no lock: one atomic read while the list is empty, else a lookup in the shard's current map, and a clock only if it
/// has an entry. Writers (logouts, changes of roles) copy one shard.
pub(super) struct Denylist {
    entries: AtomicUsize,
    /// By the monotonic clock, in milliseconds: for writers. The date may be wrong for long.
    next_removal: AtomicU64,
    /// By the wall clock, in milliseconds: for readers, who know the date anyway.
    next_removal_date: AtomicU64,
    /// A shard is created for its first entry.
    shards: Box<[OnceLock<ArcSwap<Shard>>]>,
    writer: Mutex<()>,
}

type Shard = HashMap<SessionHandle, Entry>;

/// Which access tokens of a session are denied. Of two entries for one session, the greater one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Denied {
    /// Those whose claims have an epoch below this one: they count as expired.
    EpochsBelow(NonZeroU32),
    /// All of them: the session has ended.
    All,
}

#[derive(Clone, Copy)]
struct Entry {
    denied: Denied,
    /// By the monotonic clock, in milliseconds.
    until: u64,
    /// By the wall clock.
    until_date: Timestamp,
    /// Whether nothing but the feed says so.
    is_reported: bool,
}

/// The time now, by both clocks.
#[derive(Clone, Copy)]
pub(super) struct Now {
    pub(super) monotonic: Duration,
    pub(super) date: Timestamp,
}

impl Entry {
    /// What either of two entries for one session denies, for the longer time.
    fn merge(self, other: Self) -> Self {
        Self {
            denied: self.denied.max(other.denied),
            until: self.until.max(other.until),
            until_date: self.until_date.max(other.until_date),
            is_reported: self.is_reported && other.is_reported,
        }
    }

    fn is_live(&self, now: Now) -> bool {
        millis(now.monotonic) < self.until || now.date < self.until_date
    }

    /// When the entry is over, if both clocks go on as they do now.
    fn over_at(&self, now: Now) -> Timestamp {
        let left = Duration::from_millis(self.until.saturating_sub(millis(now.monotonic)));
        self.until_date.max(now.date.saturating_add(left))
    }
}

impl Denylist {
    pub(super) fn new() -> Self {
        Self {
            entries: AtomicUsize::new(0),
            next_removal: AtomicU64::new(u64::MAX),
            next_removal_date: AtomicU64::new(u64::MAX),
            shards: (0..SHARDS).map(|_| OnceLock::new()).collect(),
            writer: Mutex::default(),
        }
    }

    /// Denies access tokens of a session, for this time at least.
    pub(super) fn deny(&self, handle: SessionHandle, denied: Denied, time: Duration, now: Now) {
        self.insert(handle, denied, time, now, false);
    }

    /// The same, according to the feed. Returns whether there was room for it.
    #[must_use]
    pub(super) fn deny_reported(
        &self,
        handle: SessionHandle,
        denied: Denied,
        time: Duration,
        now: Now,
    ) -> bool {
        self.insert(handle, denied, time, now, true)
    }

    /// Whether there is room for many more entries of the feed.
    pub(super) fn has_room(&self, now: Now) -> bool {
        if millis(now.monotonic) >= self.next_removal.load(Ordering::Relaxed) {
            let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            self.remove_expired(now);
        }
        self.present().all(|shard| reported(&shard.load()) <= MAX_REPORTED / 2)
    }

    fn insert(
        &self,
        handle: SessionHandle,
        denied: Denied,
        time: Duration,
        now: Now,
        is_reported: bool,
    ) -> bool {
        let (needed, needed_date) =
            (millis(now.monotonic.saturating_add(time)), now.date.saturating_add(time));
        let is_known = |known: &Entry| {
            known.denied >= denied
                && known.until >= needed
                && known.until_date >= needed_date
                && (is_reported || !known.is_reported)
        };
        if self.shard(handle).get().is_some_and(|shard| shard.load().get(&handle).is_some_and(is_known)) {
            return true;
        }
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if millis(now.monotonic) >= self.next_removal.load(Ordering::Relaxed) {
            self.remove_expired(now);
        }
        let shard = self.shard(handle).get_or_init(ArcSwap::default);
        let current = shard.load();
        let found = current.get(&handle).copied();
        let known = found.filter(|found| found.is_live(now));
        if is_reported && known.is_none() && reported(&current) >= MAX_REPORTED {
            return false;
        }
        let mut map = Shard::clone(&current);
        let mut entry = Entry {
            denied,
            until: needed.saturating_add(millis(SURPLUS)),
            until_date: needed_date.saturating_add(SURPLUS),
            is_reported,
        };
        if let Some(known) = known {
            entry = entry.merge(known);
        }
        map.insert(handle, entry);
        // Counted before the entry is visible: the early return above relies on every reader finding an entry that is there.
        if found.is_none() {
            self.entries.fetch_add(1, Ordering::Release);
        }
        shard.store(map.into());
        let (soonest, soonest_date) = soonest_removal(now);
        self.next_removal.fetch_min(entry.until.max(soonest), Ordering::Relaxed);
        let over_at = entry.over_at(now).max(soonest_date);
        self.next_removal_date.fetch_min(over_at.as_millis(), Ordering::Relaxed);
        true
    }

    /// Which access tokens of the session are denied.
    // Two layers call it, in each request.
    #[inline(always)]
    pub(super) fn get(
        &self,
        handle: SessionHandle,
        date: impl FnOnce() -> Timestamp,
        monotonic: impl Fn() -> Duration,
    ) -> Option<Denied> {
        if self.entries.load(Ordering::Acquire) == 0 { None } else { self.find(handle, date(), monotonic) }
    }

    #[inline(never)]
    fn find(
        &self,
        handle: SessionHandle,
        date: Timestamp,
        monotonic: impl Fn() -> Duration,
    ) -> Option<Denied> {
        if date.as_millis() >= self.next_removal_date.load(Ordering::Relaxed)
            && let Ok(_writer) = self.writer.try_lock()
        {
            self.remove_expired(Now { monotonic: monotonic(), date });
        }
        let shard = self.shard(handle).get()?.load();
        let entry = shard.get(&handle)?;
        entry.is_live(Now { monotonic: monotonic(), date }).then_some(entry.denied)
    }

    fn remove_expired(&self, now: Now) {
        let (mut entries, mut next, mut next_date) = (0, u64::MAX, Timestamp::from_millis(u64::MAX));
        for shard in self.present() {
            let map = shard.load();
            let live = || map.iter().filter(|(_, entry)| entry.is_live(now));
            next = live().map(|(_, entry)| entry.until).fold(next, u64::min);
            next_date = live().map(|(_, entry)| entry.over_at(now)).fold(next_date, Timestamp::min);
            let count = live().count();
            entries += count;
            if count < map.len() {
                shard.store(live().map(|(handle, entry)| (*handle, *entry)).collect::<Shard>().into());
            }
        }
        let (soonest, soonest_date) = soonest_removal(now);
        self.next_removal.store(next.max(soonest), Ordering::Relaxed);
        self.next_removal_date.store(next_date.max(soonest_date).as_millis(), Ordering::Relaxed);
        self.entries.store(entries, Ordering::Release);
    }

    fn present(&self) -> impl Iterator<Item = &ArcSwap<Shard>> {
        self.shards.iter().filter_map(OnceLock::get)
    }

    fn shard(&self, handle: SessionHandle) -> &OnceLock<ArcSwap<Shard>> {
        let [first, second, ..] = *handle.as_bytes();
        &self.shards[usize::from(u16::from_be_bytes([first, second])) % SHARDS]
    }
}

fn soonest_removal(now: Now) -> (u64, Timestamp) {
    (millis(now.monotonic.saturating_add(BETWEEN_REMOVALS)), now.date.saturating_add(BETWEEN_REMOVALS))
}

fn reported(shard: &Shard) -> usize {
    // Counting is for shards that may be full.
    if shard.len() <= MAX_REPORTED / 2 {
        return shard.len();
    }
    shard.values().filter(|entry| entry.is_reported).count()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Denylist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Denylist").field("entries", &self.entries).finish_non_exhaustive()
    }
}
