//! Tokens that were verified a moment ago, in front of the signature check.
//!
//! The key is the whole text of the token: a hash finds the place, a comparison of every byte decides. What a token is
//! worth is not kept, only what it says: its times, the epoch, which new keys begin, and the denylist are looked at on
//! every hit.
//!
//! That comparison takes as long as the beginnings are alike, and need not hide it: it is made only where the last 12 bytes
//! of the signatures have one hash, and who knows those knows the token.
//!
//! Places are in sets, each of which holds the tokens of some hashes. Reading takes no lock. Only verified tokens come in,
//! so a flood of forged ones moves nothing. Where a set is full, a token that has expired makes room, else one that was not
//! read for a while: tokens that are in use outlast those that came once.

use std::{
    array, fmt,
    hash::BuildHasher,
    sync::{Arc, atomic::Ordering},
};

use foldhash::quality::RandomState;
use tower_refresh_core::Timestamp;
use zeroize::Zeroizing;

use crate::sync::{ArcSwapOption, AtomicBool, AtomicU32, AtomicU64, OnceLock, WAYS};

/// What tokens say, by their text.
pub(crate) struct Cache<T> {
    /// A power of two, or none at all. A set is made when its first token comes.
    sets: Box<[OnceLock<Box<Set<T>>>]>,
    hasher: RandomState,
    epoch: AtomicU64,
}

struct Set<T> {
    /// Hashes of what is in the places, so that most of what is not there is not looked at. A tag that does not fit its
    /// place yet, or no more, costs a verification and nothing else.
    tags: [AtomicU32; WAYS],
    places: [ArcSwapOption<Entry<T>>; WAYS],
    /// Where the next token to go is looked for.
    hand: AtomicU32,
}

struct Entry<T> {
    token: Zeroizing<Box<[u8]>>,
    /// When it was verified.
    epoch: u64,
    expires_at: Timestamp,
    was_read: AtomicBool,
    value: T,
}

impl<T: Clone> Cache<T> {
    /// Of at most `places` tokens, rounded up to a power of two; 0 keeps none.
    pub(crate) fn new(places: usize) -> Self {
        let sets = if places == 0 { 0 } else { places.div_ceil(WAYS).next_power_of_two() };
        let sets = (0..sets).map(|_| OnceLock::new()).collect();
        Self { sets, hasher: RandomState::default(), epoch: AtomicU64::new(0) }
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Begins another epoch: nothing that was kept is found any more.
    pub(crate) fn forget(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// What `token` says, if it was verified in this epoch.
    pub(crate) fn get(&self, token: &[u8]) -> Option<T> {
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

    /// Keeps what `token` says, which was verified in the epoch.
    pub(crate) fn insert(&self, token: &[u8], epoch: u64, expires_at: Timestamp, now: Timestamp, value: T) {
        let Some((set, tag)) = self.set(token) else { return };
        let set = set.get_or_init(Box::default);
        // Of concurrent requests with one new token, the first has done it.
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
        // The end of the signature: as good as random in every token that comes in.
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

    /// A place that is empty, or whose token is the least worth keeping.
    fn make_room(&self, now: Timestamp) -> usize {
        let is_free = |place: &ArcSwapOption<Entry<T>>| {
            place.load().as_deref().is_none_or(|entry| now >= entry.expires_at)
        };
        self.places.iter().position(is_free).unwrap_or_else(|| self.sweep())
    }

    /// The CLOCK algorithm: goes on from where it was last, to the first place that was not read since it came by.
    fn sweep(&self) -> usize {
        let was_read = |place: &ArcSwapOption<Entry<T>>| {
            place.load().as_deref().is_some_and(|entry| entry.was_read.swap(false, Ordering::Relaxed))
        };
        let mut at = 0;
        // Once around, and to where it began: there it finds its own mark, unless others read meanwhile.
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
        f.debug_struct("Cache").field("places", &(self.sets.len() * WAYS)).finish_non_exhaustive()
    }
}
