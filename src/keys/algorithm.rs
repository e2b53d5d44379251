//! The signature algorithms we offer, out of those of RFC 7518 §3.1 and RFC 8037 §3.1.

use jsonwebtoken::Algorithm as Backend;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    EdDsa,
    Es256,
    Es384,
    Rs256,
    Ps256,
    Hs256,
    Hs384,
    Hs512,
}

impl Algorithm {
    /// The `alg` of headers and JWKs. Ed25519 goes by its first name, `EdDSA`: PyJWT and Authlib refuse the name
    /// that RFC 9864 gave it.
    pub(crate) const fn name(self) -> &'static str {
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

    /// The same in the backend's words.
    pub(super) const fn backend(self) -> Backend {
        match self {
            Self::EdDsa => Backend::EdDSA,
            Self::Es256 => Backend::ES256,
            Self::Es384 => Backend::ES384,
            Self::Rs256 => Backend::RS256,
            Self::Ps256 => Backend::PS256,
            Self::Hs256 => Backend::HS256,
            Self::Hs384 => Backend::HS384,
            Self::Hs512 => Backend::HS512,
        }
    }

    /// The length of the hash, in bytes, below which RFC 7518 §3.2 forbids an HMAC secret.
    pub(super) const fn hash_len(self) -> usize {
        match self {
            Self::EdDsa | Self::Hs512 => 64,
            Self::Es384 | Self::Hs384 => 48,
            Self::Es256 | Self::Rs256 | Self::Ps256 | Self::Hs256 => 32,
        }
    }
}
