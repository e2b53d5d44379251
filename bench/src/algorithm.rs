//! The signature algorithms, with the keys of the tests.

use jsonwebtoken::{DecodingKey, EncodingKey};
use tower_refresh::KeyRing;

/// A secret for HMAC.
pub const SECRET: &str = "a secret of the benchmarks, 32 bytes or more";

macro_rules! pem {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/keys/", $name, ".pem"))
    };
}

/// The public key of [`Algorithm::Rs256`], in PEM.
pub const RSA_PUBLIC: &[u8] = pem!("rsa.pub");
/// The public key of [`Algorithm::Es256`], in PEM.
pub const ES256_PUBLIC: &[u8] = pem!("es256.pub");
/// The public key of [`Algorithm::EdDsa`], in PEM.
pub const ED25519_PUBLIC: &[u8] = pem!("ed25519.pub");

/// The signature algorithm of the access tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "no crate depends on a benchmark")]
pub enum Algorithm {
    /// HMAC-SHA256.
    Hs256,
    /// Ed25519.
    EdDsa,
    /// ECDSA on P-256.
    Es256,
    /// RSA with 2048 bits, PKCS#1 v1.5.
    Rs256,
}

impl Algorithm {
    /// A key ring with this algorithm.
    pub fn ring(self) -> KeyRing {
        let ring = match self {
            Self::Hs256 => KeyRing::hs256(SECRET),
            Self::EdDsa => KeyRing::ed25519_pem(pem!("ed25519")),
            Self::Es256 => KeyRing::es256_pem(pem!("es256")),
            Self::Rs256 => KeyRing::rs256_pem(pem!("rsa")),
        };
        ring.unwrap()
    }

    /// This algorithm in jsonwebtoken.
    pub fn jsonwebtoken(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
        }
    }

    /// The ring's key, for signatures with jsonwebtoken.
    pub fn encoding_key(self) -> EncodingKey {
        match self {
            Self::Hs256 => EncodingKey::from_secret(SECRET.as_bytes()).unwrap(),
            Self::EdDsa => EncodingKey::from_ed_pem(pem!("ed25519")).unwrap(),
            Self::Es256 => EncodingKey::from_ec_pem(pem!("es256")).unwrap(),
            Self::Rs256 => EncodingKey::from_rsa_pem(pem!("rsa")).unwrap(),
        }
    }

    /// The ring's key, for verification with jsonwebtoken.
    pub fn decoding_key(self) -> DecodingKey {
        match self {
            Self::Hs256 => DecodingKey::from_secret(SECRET.as_bytes()).unwrap(),
            Self::EdDsa => DecodingKey::from_ed_pem(ED25519_PUBLIC).unwrap(),
            Self::Es256 => DecodingKey::from_ec_pem(ES256_PUBLIC).unwrap(),
            Self::Rs256 => DecodingKey::from_rsa_pem(RSA_PUBLIC).unwrap(),
        }
    }
}
