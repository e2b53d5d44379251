//! loom's types, by the names that the library's own `sync` has.

use std::{fmt, ops::Deref, sync::Arc};

use loom::sync::atomic::Ordering;
pub(crate) use loom::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize},
};

/// Enough for a race for one place, and for a place that is left.
pub(crate) const WAYS: usize = 2;

/// std's, in two steps that loom sees: whoever makes the value holds a lock, and whoever gets it acquires it.
pub(crate) struct OnceLock<T> {
    value: std::sync::OnceLock<T>,
    making: Mutex<()>,
    is_made: AtomicBool,
}

impl<T> OnceLock<T> {
    pub(crate) fn new() -> Self {
        let value = std::sync::OnceLock::new();
        Self { value, making: Mutex::new(()), is_made: AtomicBool::new(false) }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        if self.is_made.load(Ordering::Acquire) { self.value.get() } else { None }
    }

    pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        let _making = self.making.lock().expect("nobody panics with it");
        let value = self.value.get_or_init(make);
        self.is_made.store(true, Ordering::Release);
        value
    }
}

/// What arc-swap promises, and not more: a store releases, a load acquires, and what was stored is kept for whoever has
/// loaded it. Values stay until the model ends, and only the number of the current one is an atomic that loom sees.
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
        Guard(self.values.lock().expect("nobody panics with it")[current].clone())
    }

    pub(crate) fn store(&self, value: T) {
        let next = {
            let mut values = self.values.lock().expect("nobody panics with it");
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
