//! The current keys, and the cache of verified tokens.

#[path = "../../src/access_token/cache.rs"]
mod cache;
#[path = "../../src/access_token/verifier.rs"]
pub(crate) mod verifier;
