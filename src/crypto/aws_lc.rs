//! Cryptography by aws-lc-rs.
//!
//! Signatures do not go through `jsonwebtoken`'s factories: they set up the key for each one, which for Ed25519 costs
//! nearly as much as the signature.

use aws_lc_rs::{
    constant_time, digest,
    encoding::{AsDer, PublicKeyX509Der},
    error::{KeyRejected, Unspecified},
    hmac,
    rand::{self, SystemRandom},
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
        ECDSA_P384_SHA384_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, ParsedPublicKey,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256, RSA_PSS_SHA256, RsaEncoding,
        RsaKeyPair, RsaPublicKeyComponents, VerificationAlgorithm,
    },
};
use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind, EncodingKey,
    crypto::{CryptoProvider, aws_lc},
};

use super::CryptoError;

pub(super) const PROVIDER: Option<&CryptoProvider> = Some(&aws_lc::DEFAULT_PROVIDER);

pub(super) fn fill_random(bytes: &mut [u8]) -> bool {
    rand::fill(bytes).is_ok()
}

pub(super) fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

pub(super) fn sha256(data: &[u8]) -> Result<[u8; 32], CryptoError> {
    let digest = digest::digest(&digest::SHA256, data);
    digest.as_ref().try_into().map_err(|_| CryptoError(()))
}

/// HMAC-SHA256 under one key, which is wiped when dropped. A box keeps it from being copied when it is moved.
pub(super) struct Mac(Box<hmac::Key>);

impl Mac {
    pub(super) fn new(secret: &[u8]) -> Self {
        Self(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    pub(super) fn sign(&self, parts: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(part);
        }
        context.sign().as_ref().try_into().map_err(|_| CryptoError(()))
    }
}

/// A private key, or a secret, that signs.
pub(crate) enum Signer {
    Hmac(Box<hmac::Key>),
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
}

impl Signer {
    pub(crate) fn new(algorithm: Algorithm, key: &EncodingKey) -> Result<Self, CryptoError> {
        let key = key.as_bytes();
        let ecdsa = |curve| EcdsaKeyPair::from_pkcs8(curve, key).map(Self::Ecdsa);
        let rsa = |padding| Ok(Self::Rsa(RsaKeyPair::from_der(key)?, padding));
        match algorithm {
            Algorithm::EdDSA => Ed25519KeyPair::from_pkcs8(key).map(Self::Ed25519),
            Algorithm::ES256 => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::ES384 => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::RS256 => rsa(&RSA_PKCS1_SHA256),
            Algorithm::PS256 => rsa(&RSA_PSS_SHA256),
            _ => return hmac_key(algorithm, key).map(Self::Hmac),
        }
        .map_err(|_: KeyRejected| CryptoError(()))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        match self {
            Self::Hmac(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
            Self::Ed25519(key) => key.try_sign(message).map(|signature| signature.as_ref().to_vec()),
            Self::Ecdsa(key) => {
                key.sign(&SystemRandom::new(), message).map(|signature| signature.as_ref().to_vec())
            }
            Self::Rsa(key, padding) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(*padding, &SystemRandom::new(), message, &mut signature).map(|()| signature)
            }
        }
        .map_err(|_: Unspecified| CryptoError(()))
    }
}

/// A public key, or a secret, that verifies.
#[derive(Clone)]
pub(crate) enum Verifier {
    Hmac(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

impl Verifier {
    pub(crate) fn new(algorithm: Algorithm, key: &DecodingKey) -> Result<Self, CryptoError> {
        let public: &'static dyn VerificationAlgorithm = match algorithm {
            Algorithm::EdDSA => &ED25519,
            Algorithm::ES256 => &ECDSA_P256_SHA256_FIXED,
            Algorithm::ES384 => &ECDSA_P384_SHA384_FIXED,
            Algorithm::RS256 => &RSA_PKCS1_2048_8192_SHA256,
            Algorithm::PS256 => &RSA_PSS_2048_8192_SHA256,
            _ => {
                let secret = key.try_get_as_bytes().map_err(|_| CryptoError(()))?;
                return hmac_key(algorithm, secret).map(Self::Hmac);
            }
        };
        match key.kind() {
            DecodingKeyKind::SecretOrDer(key) => ParsedPublicKey::new(public, key),
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                // By way of DER, because it is the parser that looks at the numbers.
                let components = RsaPublicKeyComponents { n, e };
                let der: PublicKeyX509Der<'_> = components.as_der().map_err(|_| CryptoError(()))?;
                ParsedPublicKey::new(public, der.as_ref())
            }
        }
        .map(Self::Public)
        .map_err(|_| CryptoError(()))
    }

    /// Whether `signature` is this key's signature of `message`. MACs are compared in constant time.
    pub(crate) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}

fn hmac_key(algorithm: Algorithm, secret: &[u8]) -> Result<Box<hmac::Key>, CryptoError> {
    let algorithm = match algorithm {
        Algorithm::HS256 => hmac::HMAC_SHA256,
        Algorithm::HS384 => hmac::HMAC_SHA384,
        Algorithm::HS512 => hmac::HMAC_SHA512,
        _ => return Err(CryptoError(())),
    };
    Ok(Box::new(hmac::Key::new(algorithm, secret)))
}
