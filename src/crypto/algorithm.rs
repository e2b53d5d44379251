//! The signature algorithms on offer, a subset of RFC 7518 §3.1 and RFC 8037 §3.1.

use std::fmt;

/// A signature algorithm of JWS, and the type of key that it needs.
///
/// A key is read for one algorithm only, and a token that names another one is rejected (RFC 8725 §3.1).
///
/// | algorithm | key |
/// |---|---|
/// | [`EdDsa`](Self::EdDsa), [`Es256`](Self::Es256), [`Es384`](Self::Es384), [`Rs256`](Self::Rs256), [`Ps256`](Self::Ps256) | a key pair in PEM; others verify with its public key |
/// | [`Hs256`](Self::Hs256), [`Hs384`](Self::Hs384), [`Hs512`](Self::Hs512) | a secret; every service that verifies can sign as well |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// Ed25519 (`EdDSA`, RFC 8037 §3.1): short keys and signatures, fast to sign. The first choice, unless a client
    /// does not support it. [`KeyRing::ed25519_pem`](crate::KeyRing::ed25519_pem) makes a ring of one such key.
    EdDsa,
    /// ECDSA on the curve P-256 with SHA-256 (RFC 7518 §3.4).
    Es256,
    /// ECDSA on the curve P-384 with SHA-384 (RFC 7518 §3.4).
    Es384,
    /// RSA with PKCS#1 v1.5 padding and SHA-256 (RFC 7518 §3.3). Choose 3072 bits: a key of 2048 bits, the minimum, has a
    /// strength of 112 bits.
    Rs256,
    /// RSA with PSS padding and SHA-256 (RFC 7518 §3.5). Choose 3072 bits: a key of 2048 bits, the minimum, has a strength
    /// of 112 bits.
    Ps256,
    /// HMAC with SHA-256 (RFC 7518 §3.2). The secret has at least 32 bytes.
    Hs256,
    /// HMAC with SHA-384 (RFC 7518 §3.2). The secret has at least 48 bytes.
    Hs384,
    /// HMAC with SHA-512 (RFC 7518 §3.2). The secret has at least 64 bytes.
    Hs512,
}

impl Algorithm {
    /// The `alg` of headers and JWKs, for example `EdDSA` or `ES256`.
    ///
    /// Ed25519 has its older name, `EdDSA`: PyJWT and Authlib reject the name `Ed25519` of RFC 9864.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// Whether a header or a JWK names this algorithm so. Ed25519 also has a name of its own (RFC 9864 §2.2).
    pub(crate) fn is_named(self, name: &str) -> bool {
        name == self.as_str() || self == Self::EdDsa && name == "Ed25519"
    }

    /// Whether the key is a secret and not a key pair.
    pub(crate) const fn is_hmac(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }

    /// Whether the key is an RSA key.
    pub(crate) const fn is_rsa(self) -> bool {
        matches!(self, Self::Rs256 | Self::Ps256)
    }

    /// The length of the hash in bytes, which is the minimum for an HMAC secret (RFC 7518 §3.2).
    pub(crate) const fn hash_len(self) -> usize {
        match self {
            Self::EdDsa | Self::Hs512 => 64,
            Self::Es384 | Self::Hs384 => 48,
            Self::Es256 | Self::Rs256 | Self::Ps256 | Self::Hs256 => 32,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
