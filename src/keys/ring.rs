//! The ring of keys that an application configures.

use zeroize::Zeroizing;

use super::{
    error::KeyError, prepared::PreparedKeys, refresh_key::RefreshKey, signing::SigningKey,
    verifying::VerifyingKey,
};
use crate::crypto::{self, Algorithm};

/// All keys of a service: one that signs access tokens, others that only verify them, and the keys of refresh tokens.
///
/// # Defaults
/// The ring contains only the signing key, and the refresh key [derived](RefreshKey::derive) from it. The order in which
/// keys are added does not matter.
///
/// # Rotating a key
/// Servers change one by one, so each must know the new key before the first one signs with it:
///
/// 1. on every server, [`accept`](Self::accept) the new key, and
///    [`accept_refresh_key`](Self::accept_refresh_key) the key derived from it;
/// 2. on every server, make the new key the signing key and [`retire`](Self::retire) the old one;
/// 3. once the last refresh token of the old key has expired, remove the old key.
///
/// ```
/// use tower_refresh::{keys::{Algorithm, RefreshKey, SigningKey}, KeyRing};
///
/// # fn main() -> Result<(), tower_refresh::keys::KeyError> {
/// # let (old, new) = ([1; 32], [2; 32]);
/// let next = SigningKey::from_secret(Algorithm::Hs256, new)?;
/// let first = KeyRing::hs256(old)?
///     .accept(next.verifying_key())
///     .accept_refresh_key(RefreshKey::derive(&next)?);
///
/// let then = KeyRing::new(next).retire(SigningKey::from_secret(Algorithm::Hs256, old)?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct KeyRing {
    signing: SigningKey,
    accepted: Vec<VerifyingKey>,
    retired: Vec<SigningKey>,
    refresh: Option<RefreshKey>,
    accepted_refresh: Vec<RefreshKey>,
}

impl KeyRing {
    /// A ring of one key, which signs and verifies access tokens.
    pub fn new(signing: SigningKey) -> Self {
        Self {
            signing,
            accepted: Vec::new(),
            retired: Vec::new(),
            refresh: None,
            accepted_refresh: Vec::new(),
        }
    }

    /// A ring of one random secret ([`Algorithm::Hs256`]), for examples and tests.
    ///
    /// The secret is lost when the process ends, which ends every login, and no other server has it.
    ///
    /// # Errors
    /// [`KeyError::NoBackend`]; [`KeyError::NoRandomness`].
    pub fn ephemeral() -> Result<Self, KeyError> {
        if !crypto::HAS_BACKEND {
            return Err(KeyError::NoBackend);
        }
        let secret = Zeroizing::new(crypto::random::<32>().map_err(|_| KeyError::NoRandomness)?);
        Self::hs256(secret.as_slice())
    }

    /// A ring of one Ed25519 private key in PEM ([`Algorithm::EdDsa`]).
    ///
    /// # Errors
    /// See [`SigningKey::from_pem`].
    pub fn ed25519_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        SigningKey::from_pem(Algorithm::EdDsa, pem).map(Self::new)
    }

    /// A ring of one private key in PEM on the curve P-256 ([`Algorithm::Es256`]).
    ///
    /// # Errors
    /// See [`SigningKey::from_pem`].
    pub fn es256_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        SigningKey::from_pem(Algorithm::Es256, pem).map(Self::new)
    }

    /// A ring of one RSA private key in PEM ([`Algorithm::Rs256`]).
    ///
    /// # Errors
    /// See [`SigningKey::from_pem`].
    pub fn rs256_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        SigningKey::from_pem(Algorithm::Rs256, pem).map(Self::new)
    }

    /// A ring of one secret for HMAC-SHA256 ([`Algorithm::Hs256`]), at least 32 random bytes.
    ///
    /// # Errors
    /// See [`SigningKey::from_secret`].
    pub fn hs256(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        SigningKey::from_secret(Algorithm::Hs256, secret).map(Self::new)
    }

    /// Adds a key that verifies access tokens: the next signing key, or the key of another issuer.
    ///
    /// The same key for two algorithms, for example one RSA key for RS256 and PS256, is an error of the ring, whatever its
    /// `kid`s (RFC 8725 §3.1).
    pub fn accept(mut self, key: VerifyingKey) -> Self {
        self.accepted.push(key);
        self
    }

    /// Adds a former signing key: it still verifies access tokens, and the refresh key derived from it still verifies
    /// refresh tokens.
    pub fn retire(mut self, key: SigningKey) -> Self {
        self.retired.push(key);
        self
    }

    /// Authenticates refresh tokens with this key instead of the one derived from the signing key. The derived key is then
    /// no longer in the ring: see [`RefreshKey::derive`].
    pub fn refresh_key(mut self, key: RefreshKey) -> Self {
        self.refresh = Some(key);
        self
    }

    /// Adds a key that verifies refresh tokens: the next refresh key, or a former one.
    pub fn accept_refresh_key(mut self, key: RefreshKey) -> Self {
        self.accepted_refresh.push(key);
        self
    }

    /// Makes every check, so that no key can fail later: the key ids, and that each private key's signature verifies with
    /// its public key. Public keys were checked when they were read.
    pub(crate) fn prepare(self) -> Result<PreparedKeys, KeyError> {
        let Self { signing, mut accepted, retired, refresh, mut accepted_refresh } = self;
        let signature_len = signing.probe()?;
        for key in &retired {
            key.probe()?;
            accepted.push(key.verifying_key());
            accepted_refresh.push(RefreshKey::derive(key)?);
        }
        let refresh = match refresh {
            Some(key) => key,
            None => RefreshKey::derive(&signing)?,
        };
        PreparedKeys::new(signing, signature_len, accepted, refresh, accepted_refresh)
    }
}
