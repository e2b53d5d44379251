//! Keys that verify access tokens, as requests use them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;

use super::{error::KeyError, verifying::VerifyingKey};
use crate::crypto::Algorithm;

/// The keys that verify, after every check.
#[derive(Debug, Default)]
pub(crate) struct KeySet(Vec<PreparedVerifier>);

impl KeySet {
    /// The first key is found fastest.
    pub(crate) fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Self, KeyError> {
        let mut verifiers: Vec<PreparedVerifier> = Vec::new();
        for key in keys {
            if verifiers.iter().any(|known| known.key.kid == key.kid) {
                return Err(KeyError::DuplicateKeyId);
            }
            // RFC 8725 §3.1
            if verifiers.iter().any(|known| known.key.is_for_another_algorithm(&key)) {
                return Err(KeyError::MultipleAlgorithms);
            }
            verifiers.push(PreparedVerifier::new(key)?);
        }
        Ok(Self(verifiers))
    }

    /// The keys of another server's set. Those that have the `kid` of another one are left out, all of them, and so is a key that is
    /// there for two algorithms: which of them counts would be a guess.
    pub(crate) fn unambiguous(keys: Vec<VerifyingKey>) -> Self {
        let is_unambiguous = |(at, key): &(usize, &VerifyingKey)| {
            let clashes = |other: &VerifyingKey| other.kid == key.kid || other.is_for_another_algorithm(key);
            !keys.iter().enumerate().any(|(other_at, other)| other_at != *at && clashes(other))
        };
        let unambiguous = keys.iter().enumerate().filter(is_unambiguous);
        // The checks of each key do not fail: its `kid` was read from a set.
        Self(unambiguous.filter_map(|(_, key)| PreparedVerifier::new(key.clone()).ok()).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.0.iter().map(|verifier| &verifier.key)
    }

    /// The key with this `kid`.
    pub(crate) fn by_id(&self, kid: &str) -> Option<&PreparedVerifier> {
        self.0.iter().find(|verifier| verifier.key.kid == kid)
    }

    /// The key whose tokens have exactly this encoded header, if we issued them. It saves decoding our own headers.
    pub(crate) fn by_header(&self, header: &[u8]) -> Option<&PreparedVerifier> {
        self.0.iter().find(|verifier| verifier.header.as_bytes() == header)
    }

    /// The only key that verifies tokens whose header names `alg`.
    pub(crate) fn only_one_for(&self, alg: &str) -> Option<&PreparedVerifier> {
        let mut fitting = self.0.iter().filter(|verifier| verifier.algorithm().is_named(alg));
        fitting.next().filter(|_| fitting.next().is_none())
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
        if key.kid.is_empty() || key.kid.len() > VerifyingKey::LONGEST_KID {
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

/// The encoded header of the tokens that are signed with this key.
pub(super) fn header(key: &VerifyingKey) -> Result<String, KeyError> {
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
