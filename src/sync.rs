//! The types of the lock-free parts. `interleavings/` replaces them with types that try every order of their operations.

pub(crate) use std::sync::{
    Mutex, OnceLock,
    atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize},
};

pub(crate) use arc_swap::{ArcSwap, ArcSwapOption, Guard};

/// The number of places in a set of verified tokens. The models have fewer, because the number of orders grows with it.
pub(crate) const WAYS: usize = 16;

/// The number of parts of the denylist. A write copies one. The models have fewer, which takes less time.
pub(crate) const SHARDS: usize = 1024;
