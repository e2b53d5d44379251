//! No cryptography: every call is an error.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto::CryptoProvider};

use super::CryptoError;

pub(super) const PROVIDER: Option<&CryptoProvider> = None;

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

pub(crate) struct Signer;

impl Signer {
    pub(crate) fn new(_: Algorithm, _: &EncodingKey) -> Result<Self, CryptoError> {
        Err(CryptoError(()))
    }

    pub(crate) fn sign(&self, _: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Err(CryptoError(()))
    }
}

#[derive(Clone)]
pub(crate) struct Verifier;

impl Verifier {
    pub(crate) fn new(_: Algorithm, _: &DecodingKey) -> Result<Self, CryptoError> {
        Err(CryptoError(()))
    }

    pub(crate) fn accepts(&self, _: &[u8], _: &[u8]) -> bool {
        false
    }
}
