//! Keys that sign access tokens.

use std::fmt;

use jsonwebtoken::EncodingKey;

use super::{error::KeyError, pem, public::PublicKey, verifying::VerifyingKey};
use crate::crypto::{Algorithm, CryptoError, Signature, Signer};

/// A key that signs access tokens, and verifies its own signatures.
///
/// It is wiped from memory when dropped, and `Debug` shows no key material.
///
/// # Defaults
/// The `kid` is that of the [`VerifyingKey`].
///
/// # Example
/// ```
/// use tower_refresh::keys::{Algorithm, SigningKey};
///
/// # fn main() -> Result<(), tower_refresh::keys::KeyError> {
/// # let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
/// let key = SigningKey::from_pem(Algorithm::EdDsa, pem)?;
/// assert_eq!(key.algorithm(), Algorithm::EdDsa);
/// # Ok(())
/// # }
/// ```
pub struct SigningKey {
    pub(super) verifying: VerifyingKey,
    secret: EncodingKey,
    signer: Signer,
}

impl SigningKey {
    /// Reads a private key from PEM: PKCS#8 (`PRIVATE KEY`), for RSA also PKCS#1 (`RSA PRIVATE KEY`).
    ///
    /// `openssl genpkey -algorithm ed25519` creates a key for [`Algorithm::EdDsa`]. Lines may end with the characters `\n`, as in
    /// an environment variable.
    ///
    /// # Errors
    /// [`KeyError::SymmetricAlgorithm`] for an HMAC algorithm; [`KeyError::InvalidPem`], [`KeyError::WrongKeyType`],
    /// [`KeyError::Sec1Key`], [`KeyError::EncryptedKey`], [`KeyError::OpenSshKey`], [`KeyError::ShortRsaKey`] or [`KeyError::UnusableKey`] for the
    /// PEM; [`KeyError::NoBackend`].
    pub fn from_pem(algorithm: Algorithm, pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let key = pem::private(algorithm, pem.as_ref())?;
        let signer = Signer::new(algorithm, &key).map_err(|reason| KeyError::rejected(algorithm, reason))?;
        let public = signer.public_key().ok_or(KeyError::UnusableKey)?;
        let verifying = VerifyingKey::from_public(algorithm, PublicKey::from_bytes(algorithm, &public)?)?;
        Ok(Self { verifying, secret: key, signer })
    }

    /// Takes a secret for an HMAC algorithm: at least as many random bytes as the hash has, 32 for [`Algorithm::Hs256`].
    ///
    /// Do not use a password: any token allows offline guessing.
    ///
    /// # Errors
    /// [`KeyError::AsymmetricAlgorithm`] for any other algorithm; [`KeyError::ShortSecret`]; [`KeyError::NoBackend`].
    pub fn from_secret(algorithm: Algorithm, secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let verifying = VerifyingKey::from_secret(algorithm, secret.as_ref())?;
        let secret = EncodingKey::from_secret(secret.as_ref()).map_err(|_| KeyError::ShortSecret)?;
        let signer =
            Signer::new(algorithm, &secret).map_err(|reason| KeyError::rejected(algorithm, reason))?;
        Ok(Self { verifying, secret, signer })
    }

    /// Replaces the default `kid`.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.verifying = self.verifying.with_kid(kid);
        self
    }

    /// The `kid` in the header of the key's tokens.
    pub fn kid(&self) -> &str {
        self.verifying.kid()
    }

    /// The algorithm of the key's signatures.
    pub fn algorithm(&self) -> Algorithm {
        self.verifying.algorithm()
    }

    /// The key that verifies this key's signatures. For HMAC it is the secret itself.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.verifying.clone()
    }

    /// The key material from which refresh keys are derived.
    pub(super) fn secret(&self) -> &[u8] {
        self.secret.as_bytes()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Signature, CryptoError> {
        self.signer.sign(message)
    }

    /// Signs and verifies once, so that a key that cannot do both is rejected before it is used. Returns the length of its
    /// signatures, which is the same for all.
    pub(super) fn probe(&self) -> Result<usize, KeyError> {
        const MESSAGE: &[u8] = b"tower-refresh/1 probe";
        let signature = self.sign(MESSAGE).map_err(|_| KeyError::UnusableKey)?;
        let signature: &[u8] = signature.as_ref();
        if self.verifying.accepts(MESSAGE, signature) {
            Ok(signature.len())
        } else {
            Err(KeyError::UnusableKey)
        }
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
