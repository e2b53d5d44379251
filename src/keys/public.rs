//! Public keys as the members of a JWK (RFC 7517) and their thumbprints (RFC 7638).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use simple_asn1::ASN1Block;

use super::error::KeyError;
use crate::crypto::{self, Algorithm};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PublicKey {
    Ed25519 { x: Vec<u8> },
    Ec { curve: &'static str, x: Vec<u8>, y: Vec<u8> },
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl PublicKey {
    /// Reads 32 bytes for Ed25519, an uncompressed point for ECDSA, a DER-encoded `RSAPublicKey` for RSA.
    pub(super) fn from_bytes(algorithm: Algorithm, key: &[u8]) -> Result<Self, KeyError> {
        match algorithm {
            Algorithm::EdDsa if key.len() == 32 => Ok(Self::Ed25519 { x: key.to_vec() }),
            Algorithm::Es256 => point("P-256", key, 32),
            Algorithm::Es384 => point("P-384", key, 48),
            Algorithm::Rs256 | Algorithm::Ps256 => rsa(key),
            Algorithm::EdDsa | Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => {
                Err(KeyError::WrongKeyType)
            }
        }
    }

    /// An RSA key of at least 2048 bits (RFC 7518 §3.3). Some issuers write leading zeros, against RFC 7518 §2: they are dropped.
    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, KeyError> {
        let without_zeros = |number: &[u8]| {
            let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
            number.get(start..).unwrap_or_default().to_vec()
        };
        let (n, e) = (without_zeros(n), without_zeros(e));
        let first_bits = n.first().map_or(0, |first| 8 - first.leading_zeros() as usize);
        if n.len().saturating_sub(1) * 8 + first_bits < 2048 {
            return Err(KeyError::ShortRsaKey);
        }
        Ok(Self::Rsa { n, e })
    }

    /// Whether signatures of the key prove anything, and can be verified: it is neither weak nor too long, its RSA numbers are odd, as
    /// those of every key are, and backends accept the exponent.
    pub(super) fn is_usable(&self) -> bool {
        let is_odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
        let may_be_key = match self {
            Self::Ed25519 { .. } | Self::Ec { .. } => true,
            Self::Rsa { n, e } => is_odd(n) && is_odd(e) && e.len() <= LONGEST_EXPONENT,
        };
        may_be_key && !self.is_weak() && !self.is_too_long()
    }

    /// Whether everybody can sign for the key: a point of Ed25519 of small order, or the exponent 1 of RSA.
    pub(super) fn is_weak(&self) -> bool {
        match self {
            Self::Ed25519 { x } => is_of_small_order(x),
            Self::Ec { .. } => false,
            Self::Rsa { e, .. } => e == &[1],
        }
    }

    /// Whether no backend verifies with an RSA modulus of this length.
    pub(super) fn is_too_long(&self) -> bool {
        matches!(self, Self::Rsa { n, .. } if n.len() > LONGEST_MODULUS)
    }

    /// The key in the form that the backend reads.
    pub(super) fn decoding_key(&self) -> DecodingKey {
        match self {
            Self::Ed25519 { x } => DecodingKey::from_ed_der(x),
            Self::Ec { x, y, .. } => DecodingKey::from_ec_der(&[&[UNCOMPRESSED], x.as_slice(), y].concat()),
            Self::Rsa { n, e } => DecodingKey::from_rsa_raw_components(n, e),
        }
    }

    /// The `kty` of the JWK and the members of the key, in the order of RFC 7638 §3.3.
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

    /// The thumbprint with SHA-256 (RFC 7638), in base64url.
    pub(super) fn thumbprint(&self) -> Result<String, KeyError> {
        // No value contains a character that JSON escapes.
        let members: Vec<_> =
            self.members().into_iter().map(|(name, value)| format!(r#""{name}":"{value}""#)).collect();
        let json = format!("{{{}}}", members.join(","));
        let digest = crypto::sha256(json.as_bytes()).map_err(|_| KeyError::NoBackend)?;
        Ok(URL_SAFE_NO_PAD.encode(digest))
    }
}

/// In bytes: 8192 bits.
const LONGEST_MODULUS: usize = 1024;
/// In bytes. Backends accept 33 bits.
const LONGEST_EXPONENT: usize = 5;

fn is_of_small_order(x: &[u8]) -> bool {
    let Some((last, rest)) = x.split_last() else { return true };
    SMALL_ORDER.iter().any(|(known, known_last)| rest == known && last & 0x7f == *known_last)
}

/// The `y` of the points of order 1, 4, 2 and 8, reduced or not (RFC 8032 §5.1.3): the bytes before the last one, and the last one,
/// whose highest bit is the sign of `x`.
const SMALL_ORDER: [([u8; 31], u8); 7] = [
    (with_first(1), 0),
    (with_first(0), 0),
    (followed_by_ones(0xec), 0x7f),
    (followed_by_ones(0xed), 0x7f),
    (followed_by_ones(0xee), 0x7f),
    (
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc,
        ],
        0x05,
    ),
    (
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03,
        ],
        0x7a,
    ),
];

const fn with_first(first: u8) -> [u8; 31] {
    let mut bytes = [0; 31];
    bytes[0] = first;
    bytes
}

const fn followed_by_ones(first: u8) -> [u8; 31] {
    let mut bytes = [0xff; 31];
    bytes[0] = first;
    bytes
}

/// The first byte of an uncompressed point (SEC1 §2.3.3).
const UNCOMPRESSED: u8 = 4;

fn point(curve: &'static str, key: &[u8], coordinate: usize) -> Result<PublicKey, KeyError> {
    match key.split_first() {
        Some((&UNCOMPRESSED, point)) if point.len() == 2 * coordinate => {
            let (x, y) = point.split_at(coordinate);
            Ok(PublicKey::Ec { curve, x: x.to_vec(), y: y.to_vec() })
        }
        Some((2 | 3, x)) if x.len() == coordinate => Err(KeyError::CompressedPoint),
        _ => Err(KeyError::WrongKeyType),
    }
}

/// An `RSAPublicKey` (RFC 8017 appendix A.1.1) of at least 2048 bits (RFC 7518 §3.3). The backends disagree on short keys.
fn rsa(der: &[u8]) -> Result<PublicKey, KeyError> {
    let blocks = simple_asn1::from_der(der).map_err(|_| KeyError::WrongKeyType)?;
    let [ASN1Block::Sequence(_, numbers)] = blocks.as_slice() else { return Err(KeyError::WrongKeyType) };
    let [ASN1Block::Integer(_, n), ASN1Block::Integer(_, e)] = numbers.as_slice() else {
        return Err(KeyError::WrongKeyType);
    };
    let (Some(n), Some(e)) = (n.to_biguint(), e.to_biguint()) else { return Err(KeyError::WrongKeyType) };
    PublicKey::rsa(&n.to_bytes_be(), &e.to_bytes_be())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A DER-encoded `RSAPublicKey` whose modulus begins with `first` and has 256 bytes.
    fn key(first: u8) -> Vec<u8> {
        let modulus = [&[0x02, 0x82, 1, 1, 0, first][..], &[1; 255]].concat();
        let body = [&modulus[..], &[0x02, 1, 3]].concat();
        let [high, low] = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&[0x30, 0x82, high, low], &body[..]].concat()
    }

    #[test]
    fn an_rsa_modulus_is_measured_to_the_bit() {
        let PublicKey::Rsa { n, e } = rsa(&key(0x80)).unwrap() else { panic!("no RSA key") };
        assert_eq!((n.len(), n[0], e), (256, 0x80, vec![3]));
        assert_eq!(rsa(&key(0x7f)), Err(KeyError::ShortRsaKey));
        assert_eq!(rsa(&key(0x00)), Err(KeyError::ShortRsaKey));
    }

    #[test]
    fn an_rsa_modulus_of_more_than_8192_bits_is_too_long() {
        let key = |bytes| PublicKey::Rsa { n: vec![0xff; bytes], e: vec![1, 0, 1] };
        assert!(!key(1024).is_too_long());
        assert!(key(1025).is_too_long());
    }

    #[test]
    fn an_rsa_key_that_proves_nothing_or_that_no_backend_reads_is_not_usable() {
        let n = [&[0xff; 255][..], &[1]].concat();
        let even = [&[0xff; 255][..], &[2]].concat();
        let cases: [(&str, &[u8], &[u8], bool); 10] = [
            ("the usual exponent", &n, &[1, 0, 1], true),
            ("the smallest exponent", &n, &[3], true),
            ("the largest exponent of 33 bits", &n, &[1, 0xff, 0xff, 0xff, 0xff], true),
            ("everybody can sign", &n, &[1], false),
            ("no exponent", &n, &[], false),
            ("an exponent of zero", &n, &[0], false),
            ("an even exponent", &n, &[1, 0, 0], false),
            ("an exponent of two", &n, &[2], false),
            ("an exponent of 48 bits", &n, &[0xff; 6], false),
            ("an even modulus", &even, &[1, 0, 1], false),
        ];
        for (reason, n, e, expected) in cases {
            let key = PublicKey::rsa(n, e).unwrap();
            assert_eq!(key.is_usable(), expected, "{reason}");
        }
    }

    #[test]
    fn a_truncated_or_extended_rsa_key_is_rejected() {
        let whole = key(0x80);
        for length in 0..whole.len() {
            assert_eq!(rsa(&whole[..length]), Err(KeyError::WrongKeyType), "{length}");
        }
        assert_eq!(rsa(&[&whole[..], &whole].concat()), Err(KeyError::WrongKeyType));
    }
}
