//! The MAC keys of refresh tokens.

use super::{error::KeyError, signing::SigningKey};
use crate::crypto::{self, MacKey};

/// A key of HMAC-SHA256 that authenticates refresh tokens.
///
/// It is wiped from memory when dropped, and shows nothing in `Debug`.
///
/// # Defaults
/// A ring derives its refresh key from its signing key, so that one file is all that servers need to share. Its id, a
/// byte that every refresh token carries, is the first byte of the SHA-256 of the key.
#[derive(Debug)]
pub struct RefreshKey {
    mac: MacKey,
    id: Option<u8>,
}

impl RefreshKey {
    /// From 32 bytes of a secure random generator.
    pub fn from_bytes(key: [u8; 32]) -> Self {
        Self { mac: MacKey::new(&key), id: None }
    }

    /// The key that a ring takes by default: HMAC-SHA256 of "tower-refresh/1 refresh key" under the private key.
    ///
    /// With it, refresh tokens of the time before an explicit [`KeyRing::refresh_key`](super::KeyRing::refresh_key)
    /// go on to hold:
    ///
    /// ```
    /// # use tower_refresh::{keys::{RefreshKey, SigningKey}, KeyRing};
    /// # fn ring(secret: &[u8], random: [u8; 32]) -> Result<KeyRing, tower_refresh::keys::KeyError> {
    /// let signing = SigningKey::hs256(secret)?;
    /// let before = RefreshKey::derive(&signing)?;
    /// let ring = KeyRing::new(signing).refresh_key(RefreshKey::from_bytes(random)).accept_refresh_key(before);
    /// # Ok(ring)
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`KeyError::NoBackend`].
    pub fn derive(signing: &SigningKey) -> Result<Self, KeyError> {
        // No signing input of a JWT has a space, so under HMAC this can never be the MAC of one.
        let key = MacKey::new(signing.secret())
            .mac(&[b"tower-refresh/1 refresh key"])
            .map_err(|_| KeyError::NoBackend)?;
        Ok(Self::from_bytes(key))
    }

    /// Gives the key another id than the default. Needed only where two keys of a ring clash, for the newer one: the
    /// older one's id is in tokens already.
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
