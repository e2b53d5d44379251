//! The user agents of the sessions, each stored once.

use std::{
    array,
    collections::hash_map::RandomState,
    sync::{Arc, Mutex},
};

use super::{
    hashes::Place,
    indexed::Indexed,
    locks::{SHARDS, lock},
};

/// Browsers of a version send equal user agents, which are longer than the rest of a session. A user agent is removed with the last
/// session that has it.
pub(super) struct UserAgents {
    hasher: RandomState,
    shards: [Mutex<Indexed<Arc<str>>>; SHARDS],
}

impl Default for UserAgents {
    fn default() -> Self {
        Self { hasher: RandomState::new(), shards: array::from_fn(|_| Mutex::default()) }
    }
}

impl UserAgents {
    /// The text, shared with the other sessions that have it. [`release`](Self::release) takes it back.
    pub(super) fn share(&self, text: &str) -> Arc<str> {
        let place = Place::of(text, &self.hasher);
        let mut texts = lock(&self.shards[place.shard]);
        if let Some(number) = texts.find(place.hash, |other| **other == *text) {
            return Arc::clone(&texts[number]);
        }
        let shared = Arc::from(text);
        texts.push(place.hash, Arc::clone(&shared));
        shared
    }

    /// Removes the text if no other session has it. It is dropped while the shard is locked, and shared only then, so the count of
    /// references is exact.
    pub(super) fn release(&self, text: Arc<str>) {
        let place = Place::of(&text, &self.hasher);
        let mut texts = lock(&self.shards[place.shard]);
        let Some(number) = texts.find(place.hash, |other| Arc::ptr_eq(other, &text)) else { return };
        drop(text);
        if Arc::strong_count(&texts[number]) == 1 {
            texts.swap_remove(number, |other| Place::of(other, &self.hasher).hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(texts: &UserAgents) -> usize {
        texts.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    #[test]
    fn a_text_is_stored_once_until_it_was_released_as_often_as_it_was_shared() {
        let texts = UserAgents::default();
        let first: Vec<_> = (0..1000).map(|number| texts.share(&format!("{}", number % 10))).collect();
        assert_eq!(count(&texts), 10);
        assert!(first.chunks(10).all(|ten| Arc::ptr_eq(&ten[3], &first[3])));
        for (released, text) in (1..).zip(first) {
            texts.release(text);
            assert_eq!(count(&texts), (1000 - released).min(10), "{released}");
        }
    }

    #[test]
    fn threads_that_share_and_release_one_text_leave_none_behind() {
        let texts = UserAgents::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        let text = texts.share("Mozilla/5.0");
                        assert_eq!(&*text, "Mozilla/5.0");
                        texts.release(text);
                    }
                });
            }
        });
        assert_eq!(count(&texts), 0);
    }
}
