//! Why a key or a key ring cannot be used.

use std::{error::Error, fmt};

use crate::crypto::{self, Algorithm, KeyRejected};

/// Why a key or a [`KeyRing`](crate::KeyRing) cannot be used. It never contains key material.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyError {
    /// The crate was built without a cryptographic backend: neither the feature `aws_lc_rs` nor `rust_crypto` is enabled.
    NoBackend,
    /// The operating system provides no random numbers.
    NoRandomness,
    /// A PEM was given for an HMAC algorithm, whose key is a secret.
    SymmetricAlgorithm,
    /// A secret was given for an algorithm whose key is a key pair in PEM.
    AsymmetricAlgorithm,
    /// The text is not PEM (RFC 7468).
    InvalidPem,
    /// The PEM contains a key of another type than the algorithm needs, or is damaged.
    WrongKeyType,
    /// The PEM contains an elliptic curve key in the SEC1 format, `EC PRIVATE KEY`. It must be PKCS#8.
    Sec1Key,
    /// The PEM contains a private key, and a public one is needed.
    PrivateKey,
    /// The PEM is encrypted.
    EncryptedKey,
    /// The key is in the format of OpenSSH, private or public.
    OpenSshKey,
    /// The public elliptic curve key is a compressed point.
    CompressedPoint,
    /// The RSA modulus has less than 2048 bits (RFC 7518 §3.3).
    ShortRsaKey,
    /// The HMAC secret is shorter than the hash (RFC 7518 §3.2).
    ShortSecret,
    /// The backend rejects the key, or its public key does not verify its signatures; or an RSA key has more than 8192 bits, an
    /// exponent of one or even numbers, or a public key of Ed25519 is one of the few for which everybody can sign.
    UnusableKey,
    /// A key id is empty, or longer than 256 bytes.
    InvalidKeyId,
    /// Two keys of a ring have the same `kid`.
    DuplicateKeyId,
    /// A ring contains the same key for two algorithms (RFC 8725 §3.1).
    MultipleAlgorithms,
    /// Two different refresh keys of a ring have the same id.
    DuplicateRefreshKeyId,
}

impl KeyError {
    /// The error for a key that the backend rejects.
    pub(super) fn rejected(algorithm: Algorithm, reason: KeyRejected) -> Self {
        match reason {
            _ if !crypto::HAS_BACKEND => Self::NoBackend,
            KeyRejected::RsaTooShort => Self::ShortRsaKey,
            // The PEM names the type of an RSA key, but not the curve of the others.
            KeyRejected::Invalid if algorithm.is_rsa() => Self::UnusableKey,
            KeyRejected::Invalid => Self::WrongKeyType,
        }
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoBackend => "no cryptographic backend: enable the feature `aws_lc_rs` or `rust_crypto`",
            Self::NoRandomness => "the operating system provides no random numbers",
            Self::SymmetricAlgorithm => "an HMAC algorithm needs a secret, not a PEM: use `from_secret`",
            Self::AsymmetricAlgorithm => "the algorithm needs a key in PEM, not a secret: use `from_pem`",
            Self::InvalidPem => "the key is not PEM",
            Self::WrongKeyType => "the PEM contains a key of another type than the algorithm needs, or is damaged",
            Self::Sec1Key => {
                "the PEM is an `EC PRIVATE KEY` (SEC1): convert it with `openssl pkcs8 -topk8 -nocrypt -in key.pem`"
            }
            Self::PrivateKey => {
                "the PEM contains a private key, and a public one is needed: convert it with `openssl pkey -in key.pem -pubout`"
            }
            Self::EncryptedKey => {
                "the PEM is encrypted: decrypt it with `openssl pkcs8 -topk8 -nocrypt -in key.pem`"
            }
            Self::OpenSshKey => {
                "the key is in the format of OpenSSH: convert it with `ssh-keygen -p -N '' -m PKCS8 -f key`, a public one with `ssh-keygen -e -m PKCS8 -f key.pub`; an Ed25519 key cannot be converted so, create one with `openssl genpkey -algorithm ed25519`"
            }
            Self::CompressedPoint => {
                "the public key is a compressed point: convert it with `openssl ec -pubin -conv_form uncompressed`"
            }
            Self::ShortRsaKey => "an RSA key must have at least 2048 bits",
            Self::ShortSecret => {
                "an HMAC secret must be as long as the hash: 32 bytes for HS256, 48 for HS384, 64 for HS512"
            }
            Self::UnusableKey => "the cryptographic backend cannot use the key",
            Self::InvalidKeyId => "a key id must have between 1 and 256 bytes",
            Self::DuplicateKeyId => {
                "two keys have the same `kid`: rename one of them with `with_kid`, or leave it out"
            }
            Self::MultipleAlgorithms => {
                "the same key is used for two algorithms: create another key for the second one"
            }
            Self::DuplicateRefreshKeyId => {
                "two refresh keys have the same id: give the newer one another id with `RefreshKey::with_id`"
            }
        })
    }
}

impl Error for KeyError {}
