//! Reads PEM files, and names the reason for those it rejects.

use jsonwebtoken::{DecodingKey, EncodingKey};
use zeroize::Zeroizing;

use super::error::KeyError;
use crate::crypto::Algorithm;

/// A private key: PKCS#8, for RSA also PKCS#1.
pub(super) fn private(algorithm: Algorithm, pem: &[u8]) -> Result<EncodingKey, KeyError> {
    let read = match algorithm {
        Algorithm::EdDsa => EncodingKey::from_ed_pem,
        Algorithm::Es256 | Algorithm::Es384 => EncodingKey::from_ec_pem,
        Algorithm::Rs256 | Algorithm::Ps256 => EncodingKey::from_rsa_pem,
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => return Err(KeyError::SymmetricAlgorithm),
    };
    let unescaped = unescape_line_breaks(pem);
    let pem = unescaped.as_deref().map_or(pem, Vec::as_slice);
    match (label(pem)?, algorithm) {
        ("PRIVATE KEY", _) | ("RSA PRIVATE KEY", Algorithm::Rs256 | Algorithm::Ps256) => {}
        ("EC PRIVATE KEY" | "EC PARAMETERS", Algorithm::Es256 | Algorithm::Es384) => {
            return Err(KeyError::Sec1Key);
        }
        ("ENCRYPTED PRIVATE KEY", _) => return Err(KeyError::EncryptedKey),
        ("OPENSSH PRIVATE KEY", _) => return Err(KeyError::OpenSshKey),
        _ => return Err(KeyError::WrongKeyType),
    }
    // The old encryption does not change the label (RFC 1421 §4.6.1.1).
    if contains(pem, b"\nProc-Type:") {
        return Err(KeyError::EncryptedKey);
    }
    read(pem).map_err(|_| KeyError::WrongKeyType)
}

/// A public key: 32 bytes for Ed25519, a point for ECDSA, a DER-encoded `RSAPublicKey` for RSA.
pub(super) fn public(algorithm: Algorithm, pem: &[u8]) -> Result<Vec<u8>, KeyError> {
    let read = match algorithm {
        Algorithm::EdDsa => DecodingKey::from_ed_pem,
        Algorithm::Es256 | Algorithm::Es384 => DecodingKey::from_ec_pem,
        Algorithm::Rs256 | Algorithm::Ps256 => DecodingKey::from_rsa_pem,
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => return Err(KeyError::SymmetricAlgorithm),
    };
    let unescaped = unescape_line_breaks(pem);
    let pem = unescaped.as_deref().map_or(pem, Vec::as_slice);
    if OPENSSH_PUBLIC.iter().any(|name| pem.trim_ascii_start().starts_with(name)) {
        return Err(KeyError::OpenSshKey);
    }
    match (label(pem)?, algorithm) {
        ("PUBLIC KEY", _) | ("RSA PUBLIC KEY", Algorithm::Rs256 | Algorithm::Ps256) => {}
        // OpenSSL writes the parameters of a SEC1 key before the key itself.
        (label, _) if label.ends_with("PRIVATE KEY") || label == "EC PARAMETERS" => {
            return Err(KeyError::PrivateKey);
        }
        _ => return Err(KeyError::WrongKeyType),
    }
    let key = read(pem).map_err(|_| KeyError::WrongKeyType)?;
    key.try_get_as_bytes().map(<[u8]>::to_vec).map_err(|_| KeyError::WrongKeyType)
}

/// The algorithms at the beginning of a public key of OpenSSH (RFC 4253 §6.6, RFC 5656 §3.1).
const OPENSSH_PUBLIC: [&[u8]; 3] = [b"ssh-", b"ecdsa-sha2-", b"sk-"];

/// The PEM with line breaks instead of the characters `\n`, which environment variables and configuration files often have in
/// their place; `None` if it has none. PEM itself contains no backslash.
fn unescape_line_breaks(pem: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if !pem.contains(&b'\\') {
        return None;
    }
    let mut text = Zeroizing::new(Vec::with_capacity(pem.len()));
    let mut rest = pem;
    while let [byte, after @ ..] = rest {
        let (byte, after) = match rest {
            [b'\\', b'n', after @ ..] => (b'\n', after),
            [b'\\', b'r', after @ ..] => (b'\r', after),
            _ => (*byte, after),
        };
        text.push(byte);
        rest = after;
    }
    Some(text)
}

/// The label of the first block (RFC 7468 §2), the only one that is read.
fn label(pem: &[u8]) -> Result<&str, KeyError> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    let begin = pem.windows(BEGIN.len()).position(|window| window == BEGIN).ok_or(KeyError::InvalidPem)?;
    let label = pem.get(begin + BEGIN.len()..).ok_or(KeyError::InvalidPem)?;
    let end = label.iter().position(|byte| *byte == b'-').ok_or(KeyError::InvalidPem)?;
    label.get(..end).and_then(|label| str::from_utf8(label).ok()).ok_or(KeyError::InvalidPem)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
