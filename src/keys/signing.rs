//! Keys that sign access tokens.

use std::fmt;

use jsonwebtoken::EncodingKey;

use super::{algorithm::Algorithm, error::KeyError, pem, public::PublicKey, verifying::VerifyingKey};
use crate::crypto::{CryptoError, Signer};

/// A key that signs access tokens, and verifies those it signed.
///
/// Private keys are read from PEM: PKCS#8, `PRIVATE KEY`, and for RSA `RSA PRIVATE KEY` too. `openssl genpkey
/// -algorithm ed25519` makes a good one. It is wiped from memory when dropped, and shows nothing in `Debug`.
///
/// # Defaults
/// The `kid` is that of the [`VerifyingKey`].
pub struct SigningKey {
    verifying: VerifyingKey,
    secret: EncodingKey,
    signer: Signer,
}

impl SigningKey {
    /// An Ed25519 private key (`alg: EdDSA`): short, fast to sign, the one to take unless a client cannot read it.
    ///
    /// # Errors
    /// See [`KeyError`]: not a PEM of this kind, or no backend.
    pub fn ed25519_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_pem(Algorithm::EdDsa, pem.as_ref())
    }

    /// A private key on the curve P-256 (`alg: ES256`).
    ///
    /// # Errors
    /// See [`KeyError`]: not a PEM of this kind, in the SEC1 form, or no backend.
    pub fn es256_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_pem(Algorithm::Es256, pem.as_ref())
    }

    /// A private key on the curve P-384 (`alg: ES384`).
    ///
    /// # Errors
    /// See [`KeyError`]: not a PEM of this kind, in the SEC1 form, or no backend.
    pub fn es384_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_pem(Algorithm::Es384, pem.as_ref())
    }

    /// An RSA private key for PKCS#1 v1.5 signatures (`alg: RS256`). Take one of 3072 bits: one of 2048, the least that is
    /// allowed (RFC 7518 §3.3), has the strength of 112.
    ///
    /// # Errors
    /// See [`KeyError`]: not a PEM of this kind, shorter than 2048 bits, unusable, or no backend.
    pub fn rs256_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_pem(Algorithm::Rs256, pem.as_ref())
    }

    /// An RSA private key for PSS signatures (`alg: PS256`). Take one of 3072 bits: one of 2048, the least that is allowed
    /// (RFC 7518 §3.5), has the strength of 112.
    ///
    /// # Errors
    /// See [`KeyError`]: not a PEM of this kind, shorter than 2048 bits, unusable, or no backend.
    pub fn ps256_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_pem(Algorithm::Ps256, pem.as_ref())
    }

    /// A secret for HMAC-SHA256, at least 32 random bytes. A password is none: tokens let it be guessed offline.
    ///
    /// # Errors
    /// [`KeyError::SecretTooShort`], or no backend.
    pub fn hs256(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_secret(Algorithm::Hs256, secret.as_ref())
    }

    /// A secret for HMAC-SHA384, at least 48 random bytes. A password is none: tokens let it be guessed offline.
    ///
    /// # Errors
    /// [`KeyError::SecretTooShort`], or no backend.
    pub fn hs384(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_secret(Algorithm::Hs384, secret.as_ref())
    }

    /// A secret for HMAC-SHA512, at least 64 random bytes. A password is none: tokens let it be guessed offline.
    ///
    /// # Errors
    /// [`KeyError::SecretTooShort`], or no backend.
    pub fn hs512(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_secret(Algorithm::Hs512, secret.as_ref())
    }

    /// Names the key by another `kid` than the default.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.verifying = self.verifying.with_kid(kid);
        self
    }

    /// The `kid` that goes into the header of tokens.
    pub fn kid(&self) -> &str {
        self.verifying.kid()
    }

    /// The `alg` of this key's signatures.
    pub fn algorithm(&self) -> &'static str {
        self.verifying.algorithm()
    }

    /// The key that verifies what this one signs. For HMAC that is the secret itself.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.verifying.clone()
    }

    fn from_pem(algorithm: Algorithm, pem: &[u8]) -> Result<Self, KeyError> {
        let key = pem::private(algorithm, pem)?;
        let public = PublicKey::of_private(algorithm, &key)?;
        Self::new(VerifyingKey::from_public(algorithm, public)?, key)
    }

    fn from_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        Self::new(VerifyingKey::from_secret(algorithm, secret)?, EncodingKey::from_secret(secret))
    }

    fn new(verifying: VerifyingKey, secret: EncodingKey) -> Result<Self, KeyError> {
        let signer = Signer::new(verifying.algorithm.backend(), &secret).map_err(|_| KeyError::Unusable)?;
        Ok(Self { verifying, secret, signer })
    }

    /// What refresh keys are derived from.
    pub(super) fn secret(&self) -> &[u8] {
        self.secret.as_bytes()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.signer.sign(message)
    }

    /// Signs and verifies once, so that a key which cannot do both is found out before it is used.
    pub(super) fn probe(&self) -> Result<(), KeyError> {
        const MESSAGE: &[u8] = b"tower-refresh/1 probe";
        let signature = self.sign(MESSAGE).map_err(|_| KeyError::Unusable)?;
        if self.verifying.accepts(MESSAGE, &signature) { Ok(()) } else { Err(KeyError::Unusable) }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm())
            .field("kid", &self.kid())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
mod tests {
    use super::*;
    use crate::keys::KeyRing;

    #[test]
    fn a_key_that_does_not_verify_what_it_signs_is_found_out() {
        let good = || SigningKey::hs256([1; 32]).unwrap();
        let torn = || SigningKey { verifying: SigningKey::hs256([2; 32]).unwrap().verifying, ..good() };
        assert_eq!(KeyRing::new(torn()).prepare().err(), Some(KeyError::Unusable));
        let retired = KeyRing::new(good()).retire(torn().with_kid("other"));
        assert_eq!(retired.prepare().err(), Some(KeyError::Unusable));
    }

    #[test]
    fn a_private_key_that_the_backend_cannot_read_is_found_out() {
        let pem = include_str!("../../tests/keys/ed25519.pem");
        let public = SigningKey::ed25519_pem(pem).unwrap().verifying_key();
        let odd = SigningKey::new(public, EncodingKey::from_ed_der(b"no key"));
        assert_eq!(odd.err(), Some(KeyError::Unusable));
    }
}
