//! The types of loom, with the names in the library's `sync` module.

use std::{fmt, ops::Deref, sync::Arc};

use loom::sync::atomic::Ordering;
pub(crate) use loom::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize},
};

/// Enough for a race for one place, and for a free place.
pub(crate) const WAYS: usize = 2;

pub(crate) const SHARDS: usize = 2;

/// Like std's, in two steps that are visible to loom: initialisation holds a lock, and a read of the value is an acquire load.
pub(crate) struct OnceLock<T> {
    value: std::sync::OnceLock<T>,
    initialising: Mutex<()>,
    is_initialised: AtomicBool,
}

impl<T> OnceLock<T> {
    pub(crate) fn new() -> Self {
        let value = std::sync::OnceLock::new();
        Self { value, initialising: Mutex::new(()), is_initialised: AtomicBool::new(false) }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        if self.is_initialised.load(Ordering::Acquire) { self.value.get() } else { None }
    }

    pub(crate) fn get_or_init(&self, init: impl FnOnce() -> T) -> &T {
        let _guard = self.initialising.lock().expect("the lock is never poisoned");
        let value = self.value.get_or_init(init);
        self.is_initialised.store(true, Ordering::Release);
        value
    }
}

/// The guarantees of arc-swap, and no more: a store releases, a load acquires, and a loaded value stays alive. All values are
/// kept until the model ends, and only the index of the current one is an atomic that is visible to loom.
pub(crate) struct Swap<T> {
    values: std::sync::Mutex<Vec<T>>,
    current: AtomicUsize,
}

impl<T: Clone> Swap<T> {
    fn with(value: T) -> Self {
        Self { values: std::sync::Mutex::new(vec![value]), current: AtomicUsize::new(0) }
    }

    pub(crate) fn load(&self) -> Guard<T> {
        let current = self.current.load(Ordering::Acquire);
        Guard(self.values.lock().expect("the lock is never poisoned")[current].clone())
    }

    pub(crate) fn store(&self, value: T) {
        let next = {
            let mut values = self.values.lock().expect("the lock is never poisoned");
            values.push(value);
            values.len() - 1
        };
        self.current.store(next, Ordering::Release);
    }
}

pub(crate) type ArcSwap<T> = Swap<Arc<T>>;
pub(crate) type ArcSwapOption<T> = Swap<Option<Arc<T>>>;

impl<T> ArcSwap<T> {
    pub(crate) fn new(value: Arc<T>) -> Self {
        Self::with(value)
    }
}

impl<T: Default> Default for ArcSwap<T> {
    fn default() -> Self {
        Self::with(Arc::default())
    }
}

impl<T> ArcSwapOption<T> {
    pub(crate) fn empty() -> Self {
        Self::with(None)
    }
}

impl<T> fmt::Debug for Swap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Swap").finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(crate) struct Guard<T>(T);

impl<T> Deref for Guard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
