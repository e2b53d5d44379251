//! The key ring in use, with what was verified by it: swapped together, so that what a former ring verified is never found.

use std::{fmt, sync::Arc};

use tower_refresh_core::Timestamp;

use super::cache::Cache;
use crate::sync::{ArcSwap, Guard};

pub(crate) struct Ring<K, T> {
    keys: ArcSwap<K>,
    verified: Cache<T>,
}

impl<K, T: Clone> Ring<K, T> {
    /// Remembers at most `places` tokens.
    pub(crate) fn new(keys: K, places: usize) -> Self {
        Self { keys: ArcSwap::new(Arc::new(keys)), verified: Cache::new(places) }
    }

    /// The keys of now.
    #[inline]
    pub(crate) fn keys(&self) -> Guard<Arc<K>> {
        self.keys.load()
    }

    pub(crate) fn swap(&self, keys: K) {
        self.keys.store(Arc::new(keys));
        self.verified.forget();
    }

    /// What `token` said when it was verified by these keys.
    #[inline]
    pub(crate) fn known(&self, token: &[u8]) -> Option<T> {
        self.verified.get(token)
    }

    /// Verifies `token`, and remembers what it says until the time that `verify` tells.
    pub(crate) fn verify<E>(
        &self,
        token: &[u8],
        now: Timestamp,
        verify: impl FnOnce(&K) -> Result<(T, Timestamp), E>,
    ) -> Result<T, E> {
        // Before the keys are: what a ring verifies that is replaced meanwhile is never found.
        let epoch = self.verified.epoch();
        let (said, expires_at) = verify(&self.keys())?;
        self.verified.insert(token, epoch, expires_at, now, said.clone());
        Ok(said)
    }
}

impl<K, T> fmt::Debug for Ring<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("verified", &self.verified).finish_non_exhaustive()
    }
}
