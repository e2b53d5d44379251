//! Keys that verify access tokens.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;

use super::{error::KeyError, pem, public::PublicKey};
use crate::crypto::{Algorithm, MacKey, VerificationKey};

/// A key that verifies access tokens and cannot sign them.
///
/// It is valid for one algorithm. A token that names another one is rejected (RFC 8725 §3.1).
///
/// # Defaults
/// The `kid` is the thumbprint of the key (RFC 7638), so that servers which share only key files agree on it. The `kid` of
/// an HMAC secret is derived from the secret, and does not help to guess it.
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    pub(super) kid: String,
    /// The default `kid`. It identifies the key even after the key is renamed.
    thumbprint: String,
    /// None for HMAC, whose key is secret.
    pub(super) public: Option<PublicKey>,
    key: VerificationKey,
}

impl VerifyingKey {
    /// In bytes.
    pub(super) const LONGEST_KID: usize = 256;

    /// Reads a public key from PEM: `PUBLIC KEY`, for RSA also `RSA PUBLIC KEY`. Lines may end with the characters `\n`, as in an
    /// environment variable.
    ///
    /// # Errors
    /// [`KeyError::SymmetricAlgorithm`] for an HMAC algorithm; [`KeyError::PrivateKey`] for the PEM of a private key;
    /// [`KeyError::InvalidPem`], [`KeyError::WrongKeyType`], [`KeyError::OpenSshKey`], [`KeyError::CompressedPoint`], [`KeyError::ShortRsaKey`] or
    /// [`KeyError::UnusableKey`] for another PEM; [`KeyError::NoBackend`].
    pub fn from_pem(algorithm: Algorithm, pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let key = pem::public(algorithm, pem.as_ref())?;
        Self::from_public(algorithm, PublicKey::from_bytes(algorithm, &key)?)
    }

    /// Takes a secret for an HMAC algorithm: at least as many random bytes as the hash has, 32 for [`Algorithm::Hs256`].
    ///
    /// Every service that has the secret can sign tokens as well.
    ///
    /// # Errors
    /// [`KeyError::AsymmetricAlgorithm`] for any other algorithm; [`KeyError::ShortSecret`]; [`KeyError::NoBackend`].
    pub fn from_secret(algorithm: Algorithm, secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let secret = secret.as_ref();
        if !algorithm.is_hmac() {
            return Err(KeyError::AsymmetricAlgorithm);
        }
        if secret.len() < algorithm.hash_len() {
            return Err(KeyError::ShortSecret);
        }
        // The signing input of a JWT contains no space, so this is never the MAC of one.
        let mac = MacKey::new(secret).mac(&[b"tower-refresh/1 kid"]).map_err(|_| KeyError::NoBackend)?;
        let (kid, _) = mac.split_at(16);
        let key = DecodingKey::from_secret(secret).map_err(|_| KeyError::ShortSecret)?;
        Self::new(algorithm, URL_SAFE_NO_PAD.encode(kid), &key, None)
    }

    /// Replaces the default `kid` with the one that the key's tokens have.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = kid.into();
        self
    }

    /// The `kid` that names this key in the header of a token.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The algorithm of the signatures that the key verifies.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether `other` is the same key for another algorithm.
    pub(super) fn is_for_another_algorithm(&self, other: &Self) -> bool {
        self.thumbprint == other.thumbprint && self.algorithm != other.algorithm
    }

    /// The public key; none for HMAC.
    pub(crate) fn public_key(&self) -> Option<&PublicKey> {
        self.public.as_ref()
    }

    pub(crate) fn from_public(algorithm: Algorithm, public: PublicKey) -> Result<Self, KeyError> {
        if !public.is_usable() {
            return Err(KeyError::UnusableKey);
        }
        let thumbprint = public.thumbprint()?;
        Self::new(algorithm, thumbprint, &public.decoding_key(), Some(public))
    }

    fn new(
        algorithm: Algorithm,
        thumbprint: String,
        key: &DecodingKey,
        public: Option<PublicKey>,
    ) -> Result<Self, KeyError> {
        let key = VerificationKey::new(algorithm, key).map_err(|_| KeyError::UnusableKey)?;
        Ok(Self { algorithm, kid: thumbprint.clone(), thumbprint, public, key })
    }

    pub(crate) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.accepts(message, signature)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
