//! The keys in use, and the cache of the tokens that they verified.

#[path = "../../src/access_token/cache.rs"]
mod cache;
#[path = "../../src/access_token/verifier.rs"]
pub(crate) mod verifier;
