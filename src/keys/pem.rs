//! Reading PEM files: which ones we take, and a clear word on the others.

use jsonwebtoken::{DecodingKey, EncodingKey};

use super::{algorithm::Algorithm, der, error::KeyError};

/// A private key: PKCS#8, for RSA PKCS#1 as well.
pub(super) fn private(algorithm: Algorithm, pem: &[u8]) -> Result<EncodingKey, KeyError> {
    match (label(pem)?, algorithm) {
        ("PRIVATE KEY", _) | ("RSA PRIVATE KEY", Algorithm::Rs256 | Algorithm::Ps256) => {}
        ("EC PRIVATE KEY" | "EC PARAMETERS", Algorithm::Es256 | Algorithm::Es384) => {
            return Err(KeyError::Sec1);
        }
        ("ENCRYPTED PRIVATE KEY", _) => return Err(KeyError::Encrypted),
        _ => return Err(KeyError::WrongKind),
    }
    // An old way to encrypt leaves the label as it is (RFC 1421 §4.6.1.1).
    if contains(pem, b"\nProc-Type:") {
        return Err(KeyError::Encrypted);
    }
    let key = match algorithm {
        Algorithm::EdDsa => EncodingKey::from_ed_pem(pem),
        Algorithm::Es256 | Algorithm::Es384 => EncodingKey::from_ec_pem(pem),
        Algorithm::Rs256 | Algorithm::Ps256 => EncodingKey::from_rsa_pem(pem),
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => return Err(KeyError::WrongKind),
    }
    .map_err(|_| KeyError::WrongKind)?;
    check_modulus(algorithm, key.as_bytes())?;
    Ok(key)
}

/// A public key: 32 bytes for Ed25519, a point for ECDSA, PKCS#1 DER for RSA.
pub(super) fn public(algorithm: Algorithm, pem: &[u8]) -> Result<Vec<u8>, KeyError> {
    match (label(pem)?, algorithm) {
        ("PUBLIC KEY", _) | ("RSA PUBLIC KEY", Algorithm::Rs256 | Algorithm::Ps256) => {}
        _ => return Err(KeyError::WrongKind),
    }
    let key = match algorithm {
        Algorithm::EdDsa => DecodingKey::from_ed_pem(pem),
        Algorithm::Es256 | Algorithm::Es384 => DecodingKey::from_ec_pem(pem),
        Algorithm::Rs256 | Algorithm::Ps256 => DecodingKey::from_rsa_pem(pem),
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => return Err(KeyError::WrongKind),
    }
    .map_err(|_| KeyError::WrongKind)?;
    let key = key.try_get_as_bytes().map_err(|_| KeyError::WrongKind)?;
    check_modulus(algorithm, key)?;
    Ok(key.to_vec())
}

fn check_modulus(algorithm: Algorithm, der: &[u8]) -> Result<(), KeyError> {
    if !matches!(algorithm, Algorithm::Rs256 | Algorithm::Ps256) {
        return Ok(());
    }
    match der::modulus_bits(der) {
        Some(2048..) => Ok(()),
        Some(_) => Err(KeyError::RsaTooShort),
        None => Err(KeyError::WrongKind),
    }
}

/// The label of the first block (RFC 7468 §2), the only one that is read.
fn label(pem: &[u8]) -> Result<&str, KeyError> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    let begin = pem.windows(BEGIN.len()).position(|window| window == BEGIN).ok_or(KeyError::NotPem)?;
    let label = pem.get(begin + BEGIN.len()..).ok_or(KeyError::NotPem)?;
    let end = label.iter().position(|byte| *byte == b'-').ok_or(KeyError::NotPem)?;
    label.get(..end).and_then(|label| str::from_utf8(label).ok()).ok_or(KeyError::NotPem)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
