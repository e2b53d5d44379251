//! The ring of keys that a user hands over.

use zeroize::Zeroizing;

use super::{
    error::KeyError, prepared::Keys, refresh_key::RefreshKey, signing::SigningKey, verifying::VerifyingKey,
};
use crate::crypto;

/// All keys of a service: one that signs, those that are still or already good for verifying, and the keys of refresh
/// tokens.
///
/// # Defaults
/// No key but the signing key; the refresh key is [derived](RefreshKey::derive) from it. The order in which keys are
/// added does not matter.
///
/// # Rotating a key
/// Servers change over one by one, so each must know the new key before the first one signs with it:
///
/// 1. everywhere, [`accept`](Self::accept) the new key, and
///    [`accept_refresh_key`](Self::accept_refresh_key) the key derived from it;
/// 2. everywhere, make the new key the signing key and [`retire`](Self::retire) the old one;
/// 3. once the last refresh token of the old key has expired, leave the old key out.
///
/// ```
/// use tower_refresh::{keys::{RefreshKey, SigningKey}, KeyRing};
///
/// # fn main() -> Result<(), tower_refresh::keys::KeyError> {
/// # let (old, new) = ([1; 32], [2; 32]);
/// let next = SigningKey::hs256(new)?;
/// let first = KeyRing::hs256(old)?
///     .accept(next.verifying_key())
///     .accept_refresh_key(RefreshKey::derive(&next)?);
///
/// let then = KeyRing::new(next).retire(SigningKey::hs256(old)?);
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
    /// A ring of one key, which signs and verifies.
    pub fn new(signing: SigningKey) -> Self {
        Self {
            signing,
            accepted: Vec::new(),
            retired: Vec::new(),
            refresh: None,
            accepted_refresh: Vec::new(),
        }
    }

    /// A ring of one fresh, random secret (`alg: HS256`), for examples and tests.
    ///
    /// It is gone when the process ends, and every login with it; and no other server shares it.
    ///
    /// # Errors
    /// [`KeyError::NoBackend`]; [`KeyError::NoRandom`] if the operating system gives no random numbers.
    pub fn ephemeral() -> Result<Self, KeyError> {
        crypto::provider().ok_or(KeyError::NoBackend)?;
        let secret = Zeroizing::new(crypto::random::<32>().map_err(|_| KeyError::NoRandom)?);
        Self::hs256(secret.as_slice())
    }

    /// A ring of one [`SigningKey::ed25519_pem`].
    ///
    /// # Errors
    /// Those of the key.
    pub fn ed25519_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        SigningKey::ed25519_pem(pem).map(Self::new)
    }

    /// A ring of one [`SigningKey::es256_pem`].
    ///
    /// # Errors
    /// Those of the key.
    pub fn es256_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        SigningKey::es256_pem(pem).map(Self::new)
    }

    /// A ring of one [`SigningKey::es384_pem`].
    ///
    /// # Errors
    /// Those of the key.
    pub fn es384_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        SigningKey::es384_pem(pem).map(Self::new)
    }

    /// A ring of one [`SigningKey::rs256_pem`]: take 3072 bits.
    ///
    /// # Errors
    /// Those of the key.
    pub fn rs256_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        SigningKey::rs256_pem(pem).map(Self::new)
    }

    /// A ring of one [`SigningKey::ps256_pem`]: take 3072 bits.
    ///
    /// # Errors
    /// Those of the key.
    pub fn ps256_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        SigningKey::ps256_pem(pem).map(Self::new)
    }

    /// A ring of one [`SigningKey::hs256`].
    ///
    /// # Errors
    /// Those of the key.
    pub fn hs256(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        SigningKey::hs256(secret).map(Self::new)
    }

    /// A ring of one [`SigningKey::hs384`].
    ///
    /// # Errors
    /// Those of the key.
    pub fn hs384(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        SigningKey::hs384(secret).map(Self::new)
    }

    /// A ring of one [`SigningKey::hs512`].
    ///
    /// # Errors
    /// Those of the key.
    pub fn hs512(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        SigningKey::hs512(secret).map(Self::new)
    }

    /// Adds a key that verifies access tokens: one to come, or one that others sign with.
    ///
    /// One RSA key for both RS256 and PS256, or one secret for two hashes, is an error of the ring, whatever its `kid`s: a
    /// key has one algorithm (RFC 8725 §3.1).
    pub fn accept(mut self, key: VerifyingKey) -> Self {
        self.accepted.push(key);
        self
    }

    /// Adds a former signing key: it goes on verifying access tokens, and the refresh key derived from it goes on
    /// verifying refresh tokens.
    pub fn retire(mut self, key: SigningKey) -> Self {
        self.retired.push(key);
        self
    }

    /// Authenticates refresh tokens with this key, instead of the one derived from the signing key, which is then not
    /// in the ring any more: see [`RefreshKey::derive`].
    pub fn refresh_key(mut self, key: RefreshKey) -> Self {
        self.refresh = Some(key);
        self
    }

    /// Adds a key that verifies refresh tokens: one to come, or a former one.
    pub fn accept_refresh_key(mut self, key: RefreshKey) -> Self {
        self.accepted_refresh.push(key);
        self
    }

    /// Checks all there is to check, so that no key can fail later: key ids, and that each private key signs what its
    /// public key verifies. Public keys were checked when they were read.
    pub(crate) fn prepare(self) -> Result<Keys, KeyError> {
        let Self { signing, mut accepted, retired, refresh, mut accepted_refresh } = self;
        signing.probe()?;
        for key in &retired {
            key.probe()?;
            accepted.push(key.verifying_key());
            accepted_refresh.push(RefreshKey::derive(key)?);
        }
        let refresh = match refresh {
            Some(key) => key,
            None => RefreshKey::derive(&signing)?,
        };
        Keys::new(signing, accepted, refresh, accepted_refresh)
    }
}
