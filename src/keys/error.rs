//! What can be wrong with a key.

use std::{error::Error, fmt};

/// Why a key, or a [`KeyRing`](super::KeyRing), cannot be used. It never holds key material.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyError {
    /// The crate was built without a cryptographic backend: neither feature `aws_lc_rs` nor `rust_crypto`.
    NoBackend,
    /// The operating system gives no random numbers.
    NoRandom,
    /// The text is not PEM.
    NotPem,
    /// The PEM holds another kind of key than was asked for, or is damaged.
    WrongKind,
    /// The PEM holds an elliptic curve key in the SEC1 form, `EC PRIVATE KEY`. It must be PKCS#8.
    Sec1,
    /// The PEM is encrypted.
    Encrypted,
    /// A public elliptic curve key is in its compressed form.
    CompressedPoint,
    /// The RSA modulus is shorter than 2048 bits (RFC 7518 §3.3).
    RsaTooShort,
    /// The HMAC secret is shorter than its hash (RFC 7518 §3.2).
    SecretTooShort,
    /// The backend refuses the key, or what it signs does not verify.
    Unusable,
    /// A key id is empty, or longer than 256 bytes.
    KeyId,
    /// Two keys of a ring have the same `kid`.
    DuplicateKeyId,
    /// One key is in a ring for two algorithms (RFC 8725 §3.1).
    TwoAlgorithms,
    /// Two different refresh keys of a ring have the same id.
    RefreshKeyIdClash,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoBackend => "no cryptographic backend: enable the feature `aws_lc_rs` or `rust_crypto`",
            Self::NoRandom => "the operating system gives no random numbers",
            Self::NotPem => "the key is not in the PEM format",
            Self::WrongKind => "the PEM holds another kind of key than was asked for, or is damaged",
            Self::Sec1 => {
                "the PEM is an `EC PRIVATE KEY` (SEC1): convert it by `openssl pkcs8 -topk8 -nocrypt -in key.pem`"
            }
            Self::Encrypted => "the PEM is encrypted: decrypt it by `openssl pkcs8 -topk8 -nocrypt -in key.pem`",
            Self::CompressedPoint => {
                "the public key is a compressed point: convert it by `openssl ec -pubin -conv_form uncompressed`"
            }
            Self::RsaTooShort => "an RSA key must have at least 2048 bits",
            Self::SecretTooShort => {
                "an HMAC secret must be as long as its hash: 32 bytes for HS256, 48 for HS384, 64 for HS512"
            }
            Self::Unusable => "the cryptographic backend cannot use the key",
            Self::KeyId => "a key id must have between 1 and 256 bytes",
            Self::DuplicateKeyId => "two keys have the same `kid`: name one of them by `with_kid`, or leave it out",
            Self::TwoAlgorithms => "one key is for two algorithms: make another one for the second",
            Self::RefreshKeyIdClash => {
                "two refresh keys have the same id: give the newer one another id by `RefreshKey::with_id`"
            }
        })
    }
}

impl Error for KeyError {}
