//! No backend: every call fails.

use jsonwebtoken::{DecodingKey, EncodingKey};

use super::{Algorithm, CryptoError, KeyRejected};

pub(super) fn fill_random(_: &mut [u8]) -> bool {
    false
}

pub(super) fn constant_time_eq(_: &[u8], _: &[u8]) -> bool {
    false
}

pub(super) fn sha256(_: &[u8]) -> Result<[u8; 32], CryptoError> {
    Err(CryptoError(()))
}

pub(super) struct Mac;

impl Mac {
    pub(super) fn new(_: &[u8]) -> Self {
        Self
    }

    pub(super) fn sign(&self, _: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
        Err(CryptoError(()))
    }
}

/// There is none.
pub(crate) type Signature = [u8; 0];

pub(crate) struct Signer;

impl Signer {
    pub(crate) fn new(_: Algorithm, _: &EncodingKey) -> Result<Self, KeyRejected> {
        Err(KeyRejected::Invalid)
    }

    pub(crate) fn public_key(&self) -> Option<Vec<u8>> {
        None
    }

    pub(crate) fn sign(&self, _: &[u8]) -> Result<Signature, CryptoError> {
        Err(CryptoError(()))
    }
}

#[derive(Clone)]
pub(crate) struct VerificationKey;

impl VerificationKey {
    pub(crate) fn new(_: Algorithm, _: &DecodingKey) -> Result<Self, KeyRejected> {
        Err(KeyRejected::Invalid)
    }

    pub(crate) fn accepts(&self, _: &[u8], _: &[u8]) -> bool {
        false
    }
}
