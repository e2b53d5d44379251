//! Access tokens: signed JWTs (RFC 9068) that are verified without a store.

mod cache;
mod custom_members;
mod invalid_claims;
mod mint;
mod profile;
mod reason;
pub(crate) mod scope;
mod serde_message;
mod verifier;
mod verify;

pub(crate) use self::{
    custom_members::CustomMembers,
    invalid_claims::InvalidClaims,
    mint::{MintError, NewAccessToken, mint, token_len},
    profile::{Expected, Profile},
    verifier::TokenVerifier,
    verify::{AccessToken, MAX_TOKEN_LEN, Verdict, is_expired_unverified, reject_duplicates, verify},
};
pub use self::{invalid_claims::InvalidClaimsReason, reason::InvalidTokenReason};
