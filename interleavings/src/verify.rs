//! The key ring and the cache of what was verified.

#[path = "../../src/verify/cache.rs"]
mod cache;
#[path = "../../src/verify/ring.rs"]
pub(crate) mod ring;
