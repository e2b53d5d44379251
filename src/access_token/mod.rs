//! Access tokens: signed JWTs (RFC 9068) that are verified without a store.

mod cache;
mod mint;
mod reason;
pub(crate) mod scope;
mod verifier;
mod verify;

pub use self::reason::InvalidTokenReason;
pub(crate) use self::{
    mint::{MintError, NewAccessToken, mint},
    verifier::TokenVerifier,
    verify::{AccessToken, Expected, Verdict, is_expired_unverified, verify},
};
