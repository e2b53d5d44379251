//! The keys in use, and the cache of the tokens that they verified. Both are replaced together, so that no token is found in
//! the cache that an earlier set of keys verified.

use std::{fmt, sync::Arc};

use tower_refresh_core::Timestamp;

use super::cache::Cache;
use crate::sync::{ArcSwap, Guard};

pub(crate) struct TokenVerifier<K, T> {
    keys: ArcSwap<K>,
    cache: Cache<T>,
}

impl<K, T: Clone> TokenVerifier<K, T> {
    /// Caches at most `capacity` tokens.
    pub(crate) fn new(keys: K, capacity: usize) -> Self {
        Self { keys: ArcSwap::new(Arc::new(keys)), cache: Cache::new(capacity) }
    }

    /// The keys in use.
    #[inline]
    pub(crate) fn keys(&self) -> Guard<Arc<K>> {
        self.keys.load()
    }

    pub(crate) fn replace_keys(&self, keys: K) {
        self.keys.store(Arc::new(keys));
        self.cache.invalidate_all();
    }

    /// The content of `token`, if these keys have verified it before.
    #[inline]
    pub(crate) fn cached(&self, token: &[u8]) -> Option<T> {
        self.cache.get(token)
    }

    /// Verifies `token`, and caches its content until the time that `verify` returns with it.
    pub(crate) fn verify<E>(
        &self,
        token: &[u8],
        now: Timestamp,
        verify: impl FnOnce(&K) -> Result<(T, Timestamp), E>,
    ) -> Result<T, E> {
        // Read before the keys: what they verify is never found if they are replaced meanwhile.
        let epoch = self.cache.epoch();
        let (content, expires_at) = verify(&self.keys())?;
        self.cache.insert(token, epoch, expires_at, now, content.clone());
        Ok(content)
    }
}

impl<K, T> fmt::Debug for TokenVerifier<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenVerifier").field("cache", &self.cache).finish_non_exhaustive()
    }
}
