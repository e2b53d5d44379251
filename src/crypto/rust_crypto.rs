//! Cryptography by RustCrypto's crates, through `jsonwebtoken`'s factories.
//!
//! They set up the key for each signature. A key that is set up would stay in memory when it is dropped: these crates do
//! not wipe the state of an HMAC.

use getrandom::fill;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey,
    crypto::{CryptoProvider, rust_crypto::DEFAULT_PROVIDER},
    jwk::ThumbprintHash,
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::CryptoError;

pub(super) const PROVIDER: Option<&CryptoProvider> = Some(&DEFAULT_PROVIDER);

pub(super) fn fill_random(bytes: &mut [u8]) -> bool {
    fill(bytes).is_ok()
}

pub(super) fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

pub(super) fn sha256(data: &[u8]) -> Result<[u8; 32], CryptoError> {
    let digest = (DEFAULT_PROVIDER.key_utils.compute_digest)(data, ThumbprintHash::SHA256);
    digest.ok().and_then(|digest| digest.try_into().ok()).ok_or(CryptoError(()))
}

/// HMAC-SHA256 under one key.
pub(super) struct Mac(Signer);

impl Mac {
    pub(super) fn new(secret: &[u8]) -> Self {
        Self(Signer { algorithm: Algorithm::HS256, key: EncodingKey::from_secret(secret) })
    }

    pub(super) fn sign(&self, parts: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
        let message = Zeroizing::new(parts.concat());
        self.0.sign(&message)?.try_into().map_err(|_| CryptoError(()))
    }
}

/// A private key, or a secret, that signs.
pub(crate) struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
}

impl Signer {
    pub(crate) fn new(algorithm: Algorithm, key: &EncodingKey) -> Result<Self, CryptoError> {
        (DEFAULT_PROVIDER.signer_factory)(&algorithm, key).map_err(|_| CryptoError(()))?;
        Ok(Self { algorithm, key: key.clone() })
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let signer =
            (DEFAULT_PROVIDER.signer_factory)(&self.algorithm, &self.key).map_err(|_| CryptoError(()))?;
        signer.try_sign(message).map_err(|_| CryptoError(()))
    }
}

/// A public key, or a secret, that verifies.
#[derive(Clone)]
pub(crate) struct Verifier {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Verifier {
    pub(crate) fn new(algorithm: Algorithm, key: &DecodingKey) -> Result<Self, CryptoError> {
        (DEFAULT_PROVIDER.verifier_factory)(&algorithm, key).map_err(|_| CryptoError(()))?;
        Ok(Self { algorithm, key: key.clone() })
    }

    /// Whether `signature` is this key's signature of `message`. MACs are compared in constant time.
    pub(crate) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        (DEFAULT_PROVIDER.verifier_factory)(&self.algorithm, &self.key)
            .is_ok_and(|verifier| verifier.verify(message, &signature.to_vec()).is_ok())
    }
}
