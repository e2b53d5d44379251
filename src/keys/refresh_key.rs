//! The MAC keys of refresh tokens.

use super::{error::KeyError, signing::SigningKey};
use crate::crypto::{self, MacKey};

/// An HMAC-SHA256 key that authenticates refresh tokens.
///
/// It is wiped from memory when dropped, and `Debug` shows no key material.
///
/// # Defaults
/// A ring derives its refresh key from its signing key, so that servers need to share only one file. The key's id, a byte
/// in every refresh token, is the first byte of the SHA-256 of the key.
#[derive(Debug)]
pub struct RefreshKey {
    mac: MacKey,
    id: Option<u8>,
}

impl RefreshKey {
    /// Takes 32 bytes from a cryptographically secure random generator.
    pub fn from_bytes(key: [u8; 32]) -> Self {
        Self { mac: MacKey::new(&key), id: None }
    }

    /// Derives the key that a ring has by default: the HMAC-SHA256 of "tower-refresh/1 refresh key" under the signing key.
    ///
    /// A ring that accepts the derived key keeps the refresh tokens valid that were issued before
    /// [`KeyRing::refresh_key`](crate::KeyRing::refresh_key) was set:
    ///
    /// ```
    /// # use tower_refresh::{keys::{Algorithm, RefreshKey, SigningKey}, KeyRing};
    /// # fn ring(secret: &[u8], random: [u8; 32]) -> Result<KeyRing, tower_refresh::keys::KeyError> {
    /// let signing = SigningKey::from_secret(Algorithm::Hs256, secret)?;
    /// let derived = RefreshKey::derive(&signing)?;
    /// let ring = KeyRing::new(signing).refresh_key(RefreshKey::from_bytes(random)).accept_refresh_key(derived);
    /// # Ok(ring)
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`KeyError::NoBackend`].
    pub fn derive(signing: &SigningKey) -> Result<Self, KeyError> {
        // The signing input of a JWT contains no space, so under HMAC this is never the MAC of one.
        let key = MacKey::new(signing.secret())
            .mac(&[b"tower-refresh/1 refresh key"])
            .map_err(|_| KeyError::NoBackend)?;
        Ok(Self::from_bytes(key))
    }

    /// Replaces the default id. This is needed only if two keys of a ring have the same id. Change the id of the newer
    /// key: existing tokens contain the id of the older one.
    #[must_use]
    pub fn with_id(mut self, id: u8) -> Self {
        self.id = Some(id);
        self
    }

    pub(super) fn into_parts(self) -> Result<(u8, MacKey), KeyError> {
        let id = match self.id {
            Some(id) => id,
            None => {
                let [id, ..] = crypto::sha256(self.mac.secret()).map_err(|_| KeyError::NoBackend)?;
                id
            }
        };
        Ok((id, self.mac))
    }
}
