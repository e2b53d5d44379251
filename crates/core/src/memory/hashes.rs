//! Where entries are, by hash.

use std::{collections::hash_map::RandomState, hash::BuildHasher};

use super::locks::SHARDS;
use crate::SessionHandle;

/// The upper half of a hash selects the shard, and the lower one is the hash in the shard.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) shard: usize,
    pub(super) hash: u32,
}

impl Place {
    /// With a keyed hash, because users may be able to choose their subject, and choose their user agent.
    pub(super) fn of(text: &str, hasher: &RandomState) -> Self {
        Self::from(hasher.hash_one(text))
    }
}

impl From<u64> for Place {
    fn from(hash: u64) -> Self {
        Self { shard: (hash >> 32) as usize % SHARDS, hash: hash as u32 }
    }
}

/// Hashes handles. They are hashes already, but tests may use counters, so all bytes contribute.
#[derive(Clone, Copy)]
pub(super) struct HandleHasher([u64; 2]);

impl Default for HandleHasher {
    fn default() -> Self {
        let random = RandomState::new();
        Self([0, 1].map(|number| random.hash_one(number)))
    }
}

impl HandleHasher {
    pub(super) fn place(self, handle: SessionHandle) -> Place {
        let bits = u128::from_le_bytes(*handle.as_bytes());
        let (low, high) = (bits as u64 ^ self.0[0], (bits >> 64) as u64 ^ self.0[1]);
        let product = u128::from(low) * u128::from(high);
        Place::from(product as u64 ^ (product >> 64) as u64)
    }
}
