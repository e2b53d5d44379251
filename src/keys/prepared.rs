//! A checked key ring, as requests use it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;

use super::{
    error::KeyError, jwks::Jwks, refresh_key::RefreshKey, signing::SigningKey, verifying::VerifyingKey,
};
use crate::crypto::{self, Algorithm, CryptoError, MacKey};

/// The keys of a ring, after every check.
#[derive(Debug)]
pub(crate) struct PreparedKeys {
    signing: SigningKey,
    signature_len: usize,
    header: String,
    /// The signing key comes first, because most tokens name it.
    verifiers: Vec<PreparedVerifier>,
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
        let mut verifiers: Vec<PreparedVerifier> = Vec::with_capacity(1 + accepted.len());
        for key in [signing.verifying_key()].into_iter().chain(accepted) {
            if verifiers.iter().any(|known| known.key.kid == key.kid) {
                return Err(KeyError::DuplicateKeyId);
            }
            // RFC 8725 §3.1
            if verifiers.iter().any(|known| known.key.is_for_another_algorithm(&key)) {
                return Err(KeyError::MultipleAlgorithms);
            }
            verifiers.push(PreparedVerifier::new(key)?);
        }
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
        let jwks = Jwks::new(verifiers.iter().map(|verifier| &verifier.key));
        Ok(Self {
            header: header(&signing.verifying_key())?,
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
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.signing.sign(message)
    }

    /// The key with this `kid`.
    pub(crate) fn verifier(&self, kid: &str) -> Option<&PreparedVerifier> {
        self.verifiers.iter().find(|verifier| verifier.key.kid == kid)
    }

    /// The key whose tokens have exactly this encoded header, if we issued them. It saves decoding our own headers.
    pub(crate) fn verifier_by_header(&self, header: &[u8]) -> Option<&PreparedVerifier> {
        self.verifiers.iter().find(|verifier| verifier.header.as_bytes() == header)
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

/// A verifying key, with the encoded header of its tokens.
#[derive(Debug)]
pub(crate) struct PreparedVerifier {
    key: VerifyingKey,
    header: String,
}

impl PreparedVerifier {
    fn new(key: VerifyingKey) -> Result<Self, KeyError> {
        if key.kid.is_empty() || key.kid.len() > 256 {
            return Err(KeyError::InvalidKeyId);
        }
        Ok(Self { header: header(&key)?, key })
    }

    /// The algorithm that the header of the key's tokens must name.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// Whether `signature` is a signature of `message` with this key.
    pub(crate) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.accepts(message, signature)
    }
}

fn header(key: &VerifyingKey) -> Result<String, KeyError> {
    #[derive(Serialize)]
    struct Header<'a> {
        alg: &'a str,
        typ: &'a str,
        kid: &'a str,
    }
    let header = Header { alg: key.algorithm().as_str(), typ: "at+jwt", kid: &key.kid };
    let json = serde_json::to_vec(&header).map_err(|_| KeyError::InvalidKeyId)?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}
