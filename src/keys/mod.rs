//! The keys: which one signs, which ones are good for verifying, and how they are rotated.
//!
//! A [`KeyRing`] holds one [`SigningKey`], any number of keys that only verify, and the [`RefreshKey`]s. Access
//! tokens name their key by `kid`; only the keys of the ring are ever tried, whatever a token's header says.

mod algorithm;
mod der;
mod error;
mod jwks;
mod pem;
mod prepared;
mod public;
mod refresh_key;
mod ring;
mod signing;
#[cfg(test)]
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
mod tests;
#[cfg(test)]
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
mod vectors;
mod verifying;

pub(crate) use self::prepared::{Keys, Verifier};
pub use self::{
    error::KeyError, jwks::Jwks, refresh_key::RefreshKey, ring::KeyRing, signing::SigningKey,
    verifying::VerifyingKey,
};
