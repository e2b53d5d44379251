//! A key ring that was checked: what requests use.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;

use super::{
    error::KeyError, jwks::Jwks, refresh_key::RefreshKey, signing::SigningKey, verifying::VerifyingKey,
};
use crate::crypto::{self, CryptoError, MacKey};

/// The keys of a ring, each of them known to work.
#[derive(Debug)]
pub(crate) struct Keys {
    signing: SigningKey,
    header: String,
    /// The signing key's comes first: it is the one that most tokens name.
    verifiers: Vec<Verifier>,
    active_mac: (u8, MacKey),
    accepted_macs: Vec<(u8, MacKey)>,
    jwks: Jwks,
}

impl Keys {
    pub(super) fn new(
        signing: SigningKey,
        accepted: Vec<VerifyingKey>,
        refresh: RefreshKey,
        accepted_refresh: Vec<RefreshKey>,
    ) -> Result<Self, KeyError> {
        let mut verifiers: Vec<Verifier> = Vec::with_capacity(1 + accepted.len());
        for key in [signing.verifying_key()].into_iter().chain(accepted) {
            if verifiers.iter().any(|known| known.key.kid == key.kid) {
                return Err(KeyError::DuplicateKeyId);
            }
            // RFC 8725 §3.1
            if verifiers.iter().any(|known| known.key.is_for_another_algorithm(&key)) {
                return Err(KeyError::TwoAlgorithms);
            }
            verifiers.push(Verifier::new(key)?);
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
                Some(false) => return Err(KeyError::RefreshKeyIdClash),
            }
        }
        let jwks = Jwks::new(verifiers.iter().map(|verifier| &verifier.key));
        Ok(Self {
            header: header(&signing.verifying_key())?,
            signing,
            verifiers,
            active_mac,
            accepted_macs,
            jwks,
        })
    }

    /// The header of the tokens we sign, encoded.
    pub(crate) fn header(&self) -> &str {
        &self.header
    }

    /// The signature by the active key.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.signing.sign(message)
    }

    /// The key named `kid`.
    pub(crate) fn verifier(&self, kid: &str) -> Option<&Verifier> {
        self.verifiers.iter().find(|verifier| verifier.key.kid == kid)
    }

    /// The key whose own tokens have exactly this encoded header. It saves decoding the header we write ourselves.
    pub(crate) fn verifier_by_header(&self, header: &[u8]) -> Option<&Verifier> {
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

/// A key that verifies, with the encoded header that it goes with.
#[derive(Debug)]
pub(crate) struct Verifier {
    key: VerifyingKey,
    header: String,
}

impl Verifier {
    fn new(key: VerifyingKey) -> Result<Self, KeyError> {
        if key.kid.is_empty() || key.kid.len() > 256 {
            return Err(KeyError::KeyId);
        }
        Ok(Self { header: header(&key)?, key })
    }

    /// The `alg` that a token of this key must have.
    pub(crate) fn algorithm(&self) -> &'static str {
        self.key.algorithm()
    }

    /// Whether the signature of `message` is this key's.
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
    let header = Header { alg: key.algorithm(), typ: "at+jwt", kid: &key.kid };
    let json = serde_json::to_vec(&header).map_err(|_| KeyError::KeyId)?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}
