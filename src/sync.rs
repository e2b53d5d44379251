//! What the lock-free parts are made of. `interleavings/` puts others here, which try every order of their operations.

pub(crate) use std::sync::{
    Mutex, OnceLock,
    atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize},
};

pub(crate) use arc_swap::{ArcSwap, ArcSwapOption, Guard};

/// How many places a set of verified tokens has. The models have few, for their orders grow with them.
pub(crate) const WAYS: usize = 16;
