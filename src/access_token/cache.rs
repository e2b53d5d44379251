//! The cache of verified tokens, in front of the signature check.
//!
//! The key is the complete token: a hash selects the set, and a comparison of every byte decides. The cache keeps only the
//! content of a token, not whether it is valid: every hit checks the times, the epoch (which new keys start) and the denylist.
//!
//! The comparison is not constant-time and need not be: it runs only where the last 12 bytes of the signatures have the same
//! hash, and a client that knows those bytes has the token.
//!
//! Places are grouped in sets. Reading takes no lock. Only verified tokens enter, so a flood of forged ones displaces nothing.
//! In a full set an expired token makes room, or else one that has not been read recently: tokens in use outlast those that
//! came once.

use std::{
    array, fmt,
    hash::BuildHasher,
    sync::{Arc, atomic::Ordering},
};

use foldhash::quality::RandomState;
use tower_refresh_core::Timestamp;
use zeroize::Zeroizing;

use crate::sync::{ArcSwapOption, AtomicBool, AtomicU32, AtomicU64, OnceLock, WAYS};

/// The content of tokens, by their text.
pub(super) struct Cache<T> {
    /// A power of two, or empty. A set is allocated for its first token.
    sets: Box<[OnceLock<Box<Set<T>>>]>,
    hasher: RandomState,
    epoch: AtomicU64,
}

struct Set<T> {
    /// Hashes of the entries, so that most lookups that miss touch no entry. A tag that does not match its place yet, or no
    /// longer, costs one verification and nothing else.
    tags: [AtomicU32; WAYS],
    places: [ArcSwapOption<Entry<T>>; WAYS],
    /// Where the search for the next token to evict starts.
    hand: AtomicU32,
}

struct Entry<T> {
    token: Zeroizing<Box<[u8]>>,
    /// The epoch in which it was verified.
    epoch: u64,
    expires_at: Timestamp,
    was_read: AtomicBool,
    value: T,
}

impl<T: Clone> Cache<T> {
    /// A cache of at most `capacity` tokens, rounded up to a power of two; 0 disables it.
    pub(super) fn new(capacity: usize) -> Self {
        let sets = if capacity == 0 { 0 } else { capacity.div_ceil(WAYS).next_power_of_two() };
        let sets = (0..sets).map(|_| OnceLock::new()).collect();
        Self { sets, hasher: RandomState::default(), epoch: AtomicU64::new(0) }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Starts a new epoch, in which no earlier entry is found.
    pub(super) fn invalidate_all(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// The content of `token`, if it was verified in this epoch.
    // Two layers call it, in each request.
    #[inline(always)]
    pub(super) fn get(&self, token: &[u8]) -> Option<T> {
        let (set, tag) = self.set(token)?;
        let epoch = self.epoch();
        set.get()?.find(tag, token, |entry| {
            if entry.epoch != epoch {
                return None;
            }
            if !entry.was_read.load(Ordering::Relaxed) {
                entry.was_read.store(true, Ordering::Relaxed);
            }
            Some(entry.value.clone())
        })
    }

    /// Stores the content of `token`, which was verified in `epoch`.
    pub(super) fn insert(&self, token: &[u8], epoch: u64, expires_at: Timestamp, now: Timestamp, value: T) {
        let Some((set, tag)) = self.set(token) else { return };
        let set = set.get_or_init(Box::default);
        // Another request with the same new token was first.
        if set.find(tag, token, |entry| (entry.epoch == epoch).then_some(())).is_some() {
            return;
        }
        let place = set.make_room(now);
        let token = Zeroizing::new(token.into());
        let entry = Entry { token, epoch, expires_at, was_read: AtomicBool::new(false), value };
        if let (Some(known), Some(place)) = (set.tags.get(place), set.places.get(place)) {
            place.store(Some(Arc::new(entry)));
            known.store(tag, Ordering::Release);
        }
    }

    fn set(&self, token: &[u8]) -> Option<(&OnceLock<Box<Set<T>>>, u32)> {
        let mask = self.sets.len().checked_sub(1)?;
        // The end of the signature is as good as random in every token that enters.
        let end = token.last_chunk()?;
        let hash = self.hasher.hash_one(u128::from_le_bytes(*end));
        Some((self.sets.get(hash as usize & mask)?, (hash >> 32) as u32))
    }
}

impl<T> Set<T> {
    fn find<R>(&self, tag: u32, token: &[u8], found: impl Fn(&Entry<T>) -> Option<R>) -> Option<R> {
        let places = self.tags.iter().zip(&self.places);
        places.filter(|(known, _)| known.load(Ordering::Acquire) == tag).find_map(|(_, place)| {
            let entry = place.load();
            entry.as_ref().filter(|entry| entry.token.as_ref() == token).and_then(|entry| found(entry))
        })
    }

    /// A place that is empty, expired, or whose token was not read recently.
    fn make_room(&self, now: Timestamp) -> usize {
        let is_free = |place: &ArcSwapOption<Entry<T>>| {
            place.load().as_deref().is_none_or(|entry| now >= entry.expires_at)
        };
        self.places.iter().position(is_free).unwrap_or_else(|| self.sweep())
    }

    /// The CLOCK algorithm: continues where it stopped, up to the first place that was not read since the last pass.
    fn sweep(&self) -> usize {
        let was_read = |place: &ArcSwapOption<Entry<T>>| {
            place.load().as_deref().is_some_and(|entry| entry.was_read.swap(false, Ordering::Relaxed))
        };
        let mut at = 0;
        // Once around and back to the start, whose mark it has cleared, unless others read it meanwhile.
        for _ in 0..=WAYS {
            at = self.hand.fetch_add(1, Ordering::Relaxed) as usize % WAYS;
            if !self.places.get(at).is_some_and(was_read) {
                break;
            }
        }
        at
    }
}

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self {
            tags: Default::default(),
            places: array::from_fn(|_| ArcSwapOption::empty()),
            hand: AtomicU32::new(0),
        }
    }
}

impl<T> fmt::Debug for Cache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("capacity", &(self.sets.len() * WAYS)).finish_non_exhaustive()
    }
}
