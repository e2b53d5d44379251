//! A public key in the terms of a JWK (RFC 7517), from which its thumbprint follows (RFC 7638).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey, jwk::EllipticCurve};

use super::{algorithm::Algorithm, error::KeyError};
use crate::crypto;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PublicKey {
    Ed25519 { x: Vec<u8> },
    Ec { curve: &'static str, x: Vec<u8>, y: Vec<u8> },
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl PublicKey {
    /// The public half of a private key.
    pub(super) fn of_private(algorithm: Algorithm, key: &EncodingKey) -> Result<Self, KeyError> {
        let utils = &crypto::provider().ok_or(KeyError::NoBackend)?.key_utils;
        let key = key.as_bytes();
        match algorithm {
            Algorithm::EdDsa => {
                let x = (utils.ed_pub_components_from_private_key)(key, &EllipticCurve::Ed25519)
                    .map_err(|_| KeyError::WrongKind)?;
                Ok(Self::Ed25519 { x })
            }
            Algorithm::Es256 | Algorithm::Es384 => {
                let (_, x, y) = (utils.ec_pub_components_from_private_key)(key, algorithm.backend())
                    .map_err(|_| KeyError::WrongKind)?;
                Ok(Self::Ec { curve: curve(algorithm), x, y })
            }
            Algorithm::Rs256 | Algorithm::Ps256 => {
                let (n, e) =
                    (utils.rsa_pub_components_from_private_key)(key).map_err(|_| KeyError::Unusable)?;
                Ok(Self::Rsa { n, e })
            }
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => Err(KeyError::WrongKind),
        }
    }

    /// From what a public PEM holds: 32 bytes for Ed25519, a point for ECDSA, PKCS#1 DER for RSA.
    pub(super) fn from_bytes(algorithm: Algorithm, key: &[u8]) -> Result<Self, KeyError> {
        let utils = &crypto::provider().ok_or(KeyError::NoBackend)?.key_utils;
        match algorithm {
            Algorithm::EdDsa if key.len() == 32 => Ok(Self::Ed25519 { x: key.to_vec() }),
            Algorithm::Es256 => point(algorithm, key, 32),
            Algorithm::Es384 => point(algorithm, key, 48),
            Algorithm::Rs256 | Algorithm::Ps256 => {
                let (n, e) =
                    (utils.rsa_pub_components_from_public_key)(key).map_err(|_| KeyError::Unusable)?;
                Ok(Self::Rsa { n, e })
            }
            Algorithm::EdDsa | Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => {
                Err(KeyError::WrongKind)
            }
        }
    }

    /// The key as the backend verifies with it.
    pub(super) fn decoding_key(&self) -> DecodingKey {
        match self {
            Self::Ed25519 { x } => DecodingKey::from_ed_der(x),
            Self::Ec { x, y, .. } => DecodingKey::from_ec_der(&[&[UNCOMPRESSED], x.as_slice(), y].concat()),
            Self::Rsa { n, e } => DecodingKey::from_rsa_raw_components(n, e),
        }
    }

    /// The `kty` of the JWK, and the members that make up the key, by name in the order of RFC 7638 §3.3.
    pub(super) fn members(&self) -> Vec<(&'static str, String)> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Ed25519 { x } => vec![("crv", "Ed25519".into()), ("kty", "OKP".into()), ("x", text(x))],
            Self::Ec { curve, x, y } => {
                vec![("crv", (*curve).into()), ("kty", "EC".into()), ("x", text(x)), ("y", text(y))]
            }
            Self::Rsa { n, e } => vec![("e", text(e)), ("kty", "RSA".into()), ("n", text(n))],
        }
    }

    /// The thumbprint, base64url of SHA-256 (RFC 7638).
    pub(super) fn thumbprint(&self) -> Result<String, KeyError> {
        // No member's value has a character that JSON escapes.
        let members: Vec<_> =
            self.members().into_iter().map(|(name, value)| format!(r#""{name}":"{value}""#)).collect();
        let json = format!("{{{}}}", members.join(","));
        let digest = crypto::sha256(json.as_bytes()).map_err(|_| KeyError::NoBackend)?;
        Ok(URL_SAFE_NO_PAD.encode(digest))
    }
}

/// The first byte of an uncompressed point (SEC1 §2.3.3).
const UNCOMPRESSED: u8 = 4;

fn point(algorithm: Algorithm, key: &[u8], coordinate: usize) -> Result<PublicKey, KeyError> {
    match key.split_first() {
        Some((&UNCOMPRESSED, point)) if point.len() == 2 * coordinate => {
            let (x, y) = point.split_at(coordinate);
            Ok(PublicKey::Ec { curve: curve(algorithm), x: x.to_vec(), y: y.to_vec() })
        }
        Some((2 | 3, x)) if x.len() == coordinate => Err(KeyError::CompressedPoint),
        _ => Err(KeyError::WrongKind),
    }
}

fn curve(algorithm: Algorithm) -> &'static str {
    if algorithm == Algorithm::Es384 { "P-384" } else { "P-256" }
}
