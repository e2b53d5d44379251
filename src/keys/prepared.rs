//! A checked key ring, as requests use it.

use super::{
    error::KeyError,
    jwks::Jwks,
    key_set::{self, KeySet},
    refresh_key::RefreshKey,
    signing::SigningKey,
    verifying::VerifyingKey,
};
use crate::crypto::{self, CryptoError, MacKey, Signature};

/// The keys of a ring, after every check.
#[derive(Debug)]
pub(crate) struct PreparedKeys {
    signing: SigningKey,
    signature_len: usize,
    header: String,
    /// The signing key comes first, because most tokens name it.
    verifiers: KeySet,
    active_mac: (u8, MacKey),
    accepted_macs: Vec<(u8, MacKey)>,
    jwks: Jwks,
}

impl PreparedKeys {
    pub(super) fn new(
        signing: SigningKey,
        signature_len: usize,
        accepted: Vec<VerifyingKey>,
        refresh: RefreshKey,
        accepted_refresh: Vec<RefreshKey>,
    ) -> Result<Self, KeyError> {
        let verifiers = KeySet::new([signing.verifying_key()].into_iter().chain(accepted))?;
        let active_mac = refresh.into_parts()?;
        let mut accepted_macs: Vec<(u8, MacKey)> = Vec::with_capacity(accepted_refresh.len());
        for key in accepted_refresh {
            let (id, mac) = key.into_parts()?;
            let is_known = [&active_mac]
                .into_iter()
                .chain(&accepted_macs)
                .find(|(known, _)| *known == id)
                .map(|(_, known)| crypto::constant_time_eq(known.secret(), mac.secret()));
            match is_known {
                None => accepted_macs.push((id, mac)),
                Some(true) => {}
                Some(false) => return Err(KeyError::DuplicateRefreshKeyId),
            }
        }
        let jwks = Jwks::new(verifiers.keys());
        Ok(Self {
            header: key_set::header(&signing.verifying_key())?,
            signing,
            signature_len,
            verifiers,
            active_mac,
            accepted_macs,
            jwks,
        })
    }

    /// The encoded header of the tokens that the active key signs.
    pub(crate) fn header(&self) -> &str {
        &self.header
    }

    /// The length of the active key's signatures, in bytes.
    pub(crate) fn signature_len(&self) -> usize {
        self.signature_len
    }

    /// Signs with the active key.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Signature, CryptoError> {
        self.signing.sign(message)
    }

    /// The keys that verify access tokens.
    pub(crate) fn verifiers(&self) -> &KeySet {
        &self.verifiers
    }

    /// The public keys.
    pub(crate) fn jwks(&self) -> &Jwks {
        &self.jwks
    }

    /// The MAC key of new refresh tokens, with its id.
    pub(crate) fn active_mac(&self) -> (u8, &MacKey) {
        let (id, mac) = &self.active_mac;
        (*id, mac)
    }

    /// The MAC key with this id, active or accepted.
    pub(crate) fn mac(&self, id: u8) -> Option<&MacKey> {
        [&self.active_mac]
            .into_iter()
            .chain(&self.accepted_macs)
            .find(|(known, _)| *known == id)
            .map(|(_, mac)| mac)
    }
}
