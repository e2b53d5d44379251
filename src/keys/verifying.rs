//! Keys that verify access tokens.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;

use super::{algorithm::Algorithm, error::KeyError, pem, public::PublicKey};
use crate::crypto::{MacKey, Verifier};

/// A key that verifies access tokens and signs none.
///
/// Public keys are read from PEM: `PUBLIC KEY`, and for RSA `RSA PUBLIC KEY` too. Each constructor names the one
/// algorithm that the key is good for; a token that names another one is refused (RFC 8725 §3.1).
///
/// # Defaults
/// The `kid` is the thumbprint of the key (RFC 7638), so that servers which share only key files agree on it. That of
/// an HMAC secret is derived from it and does not help to guess it.
#[derive(Clone)]
pub struct VerifyingKey {
    pub(super) algorithm: Algorithm,
    pub(super) kid: String,
    /// The default `kid`, which tells keys apart whatever they are named.
    thumbprint: String,
    /// Nothing for HMAC, whose key is secret.
    pub(super) public: Option<PublicKey>,
    verifier: Verifier,
}

impl VerifyingKey {
    /// An Ed25519 public key (`alg: EdDSA`).
    ///
    /// # Errors
    /// See [`KeyError`]: not a PEM of this kind, unusable, or no backend.
    pub fn ed25519_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_pem(Algorithm::EdDsa, pem.as_ref())
    }

    /// A public key on the curve P-256 (`alg: ES256`).
    ///
    /// # Errors
    /// See [`KeyError`]: not a PEM of this kind, a compressed point, unusable, or no backend.
    pub fn es256_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_pem(Algorithm::Es256, pem.as_ref())
    }

    /// A public key on the curve P-384 (`alg: ES384`).
    ///
    /// # Errors
    /// See [`KeyError`]: not a PEM of this kind, a compressed point, unusable, or no backend.
    pub fn es384_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_pem(Algorithm::Es384, pem.as_ref())
    }

    /// An RSA public key for PKCS#1 v1.5 signatures (`alg: RS256`).
    ///
    /// # Errors
    /// See [`KeyError`]: not a PEM of this kind, shorter than 2048 bits, unusable, or no backend.
    pub fn rs256_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_pem(Algorithm::Rs256, pem.as_ref())
    }

    /// An RSA public key for PSS signatures (`alg: PS256`).
    ///
    /// # Errors
    /// See [`KeyError`]: not a PEM of this kind, shorter than 2048 bits, unusable, or no backend.
    pub fn ps256_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_pem(Algorithm::Ps256, pem.as_ref())
    }

    /// A secret for HMAC-SHA256, at least 32 random bytes. Whoever has it can sign as well.
    ///
    /// # Errors
    /// [`KeyError::SecretTooShort`], or no backend.
    pub fn hs256(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_secret(Algorithm::Hs256, secret.as_ref())
    }

    /// A secret for HMAC-SHA384, at least 48 random bytes. Whoever has it can sign as well.
    ///
    /// # Errors
    /// [`KeyError::SecretTooShort`], or no backend.
    pub fn hs384(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_secret(Algorithm::Hs384, secret.as_ref())
    }

    /// A secret for HMAC-SHA512, at least 64 random bytes. Whoever has it can sign as well.
    ///
    /// # Errors
    /// [`KeyError::SecretTooShort`], or no backend.
    pub fn hs512(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_secret(Algorithm::Hs512, secret.as_ref())
    }

    /// Names the key by another `kid` than the default: the one that its tokens carry.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = kid.into();
        self
    }

    /// The `kid` that names this key in a token's header.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The `alg` that this key verifies.
    pub fn algorithm(&self) -> &'static str {
        self.algorithm.name()
    }

    /// Whether this is the same key for another algorithm.
    pub(super) fn is_for_another_algorithm(&self, other: &Self) -> bool {
        self.thumbprint == other.thumbprint && self.algorithm != other.algorithm
    }

    pub(super) fn from_public(algorithm: Algorithm, public: PublicKey) -> Result<Self, KeyError> {
        let thumbprint = public.thumbprint()?;
        Self::named(algorithm, thumbprint, &public.decoding_key(), Some(public))
    }

    pub(super) fn from_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < algorithm.hash_len() {
            return Err(KeyError::SecretTooShort);
        }
        // No signing input of a JWT has a space, so this can never be the MAC of one.
        let mac = MacKey::new(secret).mac(&[b"tower-refresh/1 kid"]).map_err(|_| KeyError::NoBackend)?;
        let (kid, _) = mac.split_at(16);
        Self::named(algorithm, URL_SAFE_NO_PAD.encode(kid), &DecodingKey::from_secret(secret), None)
    }

    fn named(
        algorithm: Algorithm,
        thumbprint: String,
        key: &DecodingKey,
        public: Option<PublicKey>,
    ) -> Result<Self, KeyError> {
        let verifier = Verifier::new(algorithm.backend(), key).map_err(|_| KeyError::Unusable)?;
        Ok(Self { algorithm, kid: thumbprint.clone(), thumbprint, public, verifier })
    }

    fn from_pem(algorithm: Algorithm, pem: &[u8]) -> Result<Self, KeyError> {
        let key = pem::public(algorithm, pem)?;
        Self::from_public(algorithm, PublicKey::from_bytes(algorithm, &key)?)
    }

    pub(super) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifier.accepts(message, signature)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("algorithm", &self.algorithm.name())
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
