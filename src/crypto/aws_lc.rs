//! Cryptography with aws-lc-rs.

use aws_lc_rs::{
    constant_time, digest,
    encoding::{AsDer, PublicKeyX509Der},
    error::Unspecified,
    hmac,
    rand::{self, SystemRandom},
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
        ECDSA_P384_SHA384_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair, ParsedPublicKey,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256, RSA_PSS_SHA256, RsaEncoding,
        RsaKeyPair, RsaPublicKeyComponents, VerificationAlgorithm,
    },
};
use jsonwebtoken::{DecodingKey, DecodingKeyKind, EncodingKey};

use super::{Algorithm, CryptoError, KeyRejected};

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

impl From<aws_lc_rs::error::KeyRejected> for KeyRejected {
    fn from(reason: aws_lc_rs::error::KeyRejected) -> Self {
        if reason.description_() == "TooSmall" { Self::RsaTooShort } else { Self::Invalid }
    }
}

/// A key for HMAC-SHA256, wiped when dropped. The box prevents copies when the key is moved.
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

/// A private key or a secret, prepared for signing.
pub(crate) enum Signer {
    Hmac(Box<hmac::Key>),
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
}

impl Signer {
    pub(crate) fn new(algorithm: Algorithm, key: &EncodingKey) -> Result<Self, KeyRejected> {
        let key = key.as_bytes();
        let hmac = |algorithm| Ok(Self::Hmac(Box::new(hmac::Key::new(algorithm, key))));
        let ecdsa = |curve| Ok(Self::Ecdsa(EcdsaKeyPair::from_pkcs8(curve, key)?));
        let rsa = |padding| Ok(Self::Rsa(RsaKeyPair::from_der(key)?, padding));
        match algorithm {
            Algorithm::EdDsa => Ok(Self::Ed25519(Ed25519KeyPair::from_pkcs8(key)?)),
            Algorithm::Es256 => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::Es384 => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::Rs256 => rsa(&RSA_PKCS1_SHA256),
            Algorithm::Ps256 => rsa(&RSA_PSS_SHA256),
            Algorithm::Hs256 => hmac(hmac::HMAC_SHA256),
            Algorithm::Hs384 => hmac(hmac::HMAC_SHA384),
            Algorithm::Hs512 => hmac(hmac::HMAC_SHA512),
        }
    }

    /// The public key: 32 bytes for Ed25519, an uncompressed point for ECDSA, a DER-encoded `RSAPublicKey` for RSA. None
    /// for HMAC.
    pub(crate) fn public_key(&self) -> Option<Vec<u8>> {
        match self {
            Self::Hmac(_) => None,
            Self::Ed25519(key) => Some(key.public_key().as_ref().to_vec()),
            Self::Ecdsa(key) => Some(key.public_key().as_ref().to_vec()),
            Self::Rsa(key, _) => Some(key.public_key().as_ref().to_vec()),
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Signature, CryptoError> {
        match self {
            Self::Hmac(key) => Ok(Signature::Tag(hmac::sign(key, message))),
            Self::Ed25519(key) => key.try_sign(message).map(Signature::copy),
            Self::Ecdsa(key) => key.sign(&SystemRandom::new(), message).map(Signature::copy),
            Self::Rsa(key, padding) => {
                let mut signature = vec![0; key.public_modulus_len()];
                let signed = key.sign(*padding, &SystemRandom::new(), message, &mut signature);
                signed.map(|()| Signature::Other(signature))
            }
        }
        .map_err(|_: Unspecified| CryptoError(()))
    }
}

/// The signature of a [`Signer`].
pub(crate) enum Signature {
    Tag(hmac::Tag),
    Other(Vec<u8>),
}

impl Signature {
    /// Of a type that has room for the longest one that there is, 4 kilobytes.
    fn copy(signature: aws_lc_rs::signature::Signature) -> Self {
        Self::Other(signature.as_ref().to_vec())
    }
}

impl AsRef<[u8]> for Signature {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Tag(tag) => tag.as_ref(),
            Self::Other(signature) => signature,
        }
    }
}

/// A public key or a secret, prepared for verifying.
#[derive(Clone)]
pub(crate) enum VerificationKey {
    Hmac(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

impl VerificationKey {
    pub(crate) fn new(algorithm: Algorithm, key: &DecodingKey) -> Result<Self, KeyRejected> {
        let hmac = |algorithm| {
            let secret = key.try_get_as_bytes().map_err(|_| KeyRejected::Invalid)?;
            Ok(Self::Hmac(Box::new(hmac::Key::new(algorithm, secret))))
        };
        let public = |algorithm| public_key(algorithm, key).map(Self::Public);
        match algorithm {
            Algorithm::EdDsa => public(&ED25519),
            Algorithm::Es256 => public(&ECDSA_P256_SHA256_FIXED),
            Algorithm::Es384 => public(&ECDSA_P384_SHA384_FIXED),
            Algorithm::Rs256 => public(&RSA_PKCS1_2048_8192_SHA256),
            Algorithm::Ps256 => public(&RSA_PSS_2048_8192_SHA256),
            Algorithm::Hs256 => hmac(hmac::HMAC_SHA256),
            Algorithm::Hs384 => hmac(hmac::HMAC_SHA384),
            Algorithm::Hs512 => hmac(hmac::HMAC_SHA512),
        }
    }

    /// Whether `signature` is a signature of `message` with this key. MACs are compared in constant time.
    pub(crate) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}

fn public_key(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &DecodingKey,
) -> Result<ParsedPublicKey, KeyRejected> {
    match key.kind() {
        DecodingKeyKind::SecretOrDer(key) => Ok(ParsedPublicKey::new(algorithm, key)?),
        DecodingKeyKind::RsaModulusExponent { n, e } => {
            // Encoded as DER first, because only the DER parser checks the numbers.
            let components = RsaPublicKeyComponents { n, e };
            let der: PublicKeyX509Der<'_> = components.as_der().map_err(|_| KeyRejected::Invalid)?;
            Ok(ParsedPublicKey::new(algorithm, der.as_ref())?)
        }
    }
}
