//! Keys: which one signs, which ones verify, and how they are rotated.
//!
//! A [`KeyRing`] contains one [`SigningKey`], any number of keys that only verify, and the [`RefreshKey`]s. An access
//! token names its key with `kid`; keys outside the ring are never used, whatever the token's header says.

mod error;
mod jwk;
mod jwks;
mod key_set;
mod pem;
mod prepared;
mod public;
mod refresh_key;
mod ring;
mod signing;
#[cfg(test)]
mod tests;
#[cfg(test)]
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
mod vectors;
mod verifying;

pub use self::{
    error::KeyError, jwks::Jwks, refresh_key::RefreshKey, ring::KeyRing, signing::SigningKey,
    verifying::VerifyingKey,
};
pub(crate) use self::{
    jwk::{UnusableJwk, verifying_key as key_of_jwk},
    key_set::{KeySet, PreparedVerifier},
    prepared::PreparedKeys,
    public::PublicKey,
};
pub use crate::crypto::Algorithm;
