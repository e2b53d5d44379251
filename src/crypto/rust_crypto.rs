//! Cryptography with RustCrypto's crates.
//!
//! Every secret is wiped when dropped. Boxes prevent copies when a key is moved.

use std::ops::RangeInclusive;

use getrandom::fill;
use hmac::{Hmac, KeyInit, Mac as _};
use jsonwebtoken::{DecodingKey, DecodingKeyKind, EncodingKey};
use p256::pkcs8::DecodePrivateKey;
use rsa::{
    BoxedUint,
    pkcs1::{DecodeRsaPrivateKey, EncodeRsaPublicKey},
    pkcs1v15, pss,
    signature::{SignatureEncoding, Verifier},
};
use sha2::{Digest, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;

use super::{Algorithm, CryptoError, KeyRejected};

/// The accepted sizes of an RSA modulus, in bits. Signing with 8192 bits takes about eight times as long as with 4096.
const MODULUS_BITS: RangeInclusive<usize> = 2048..=4096;

pub(super) fn fill_random(bytes: &mut [u8]) -> bool {
    fill(bytes).is_ok()
}

pub(super) fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

pub(super) fn sha256(data: &[u8]) -> Result<[u8; 32], CryptoError> {
    Ok(Sha256::digest(data).into())
}

/// A key for HMAC-SHA256.
pub(super) struct Mac(Result<Box<Hmac<Sha256>>, KeyRejected>);

impl Mac {
    pub(super) fn new(secret: &[u8]) -> Self {
        // It never fails: HMAC takes a secret of any length.
        Self(hmac_key(secret))
    }

    pub(super) fn sign(&self, parts: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
        let mut mac = self.0.clone().map_err(|_| CryptoError(()))?;
        for part in parts {
            mac.update(part);
        }
        Ok(mac.finalize().into_bytes().into())
    }
}

/// The signature of a [`Signer`].
pub(crate) type Signature = Vec<u8>;

/// A private key or a secret, prepared for signing.
pub(crate) enum Signer {
    Hs256(Box<Hmac<Sha256>>),
    Hs384(Box<Hmac<Sha384>>),
    Hs512(Box<Hmac<Sha512>>),
    EdDsa(Box<ed25519_dalek::SigningKey>),
    Es256(Box<p256::ecdsa::SigningKey>),
    Es384(Box<p384::ecdsa::SigningKey>),
    Rs256(Box<pkcs1v15::SigningKey<Sha256>>),
    Ps256(Box<pss::SigningKey<Sha256>>),
}

impl Signer {
    pub(crate) fn new(algorithm: Algorithm, key: &EncodingKey) -> Result<Self, KeyRejected> {
        let key = key.as_bytes();
        match algorithm {
            Algorithm::Hs256 => hmac_key(key).map(Self::Hs256),
            Algorithm::Hs384 => hmac_key(key).map(Self::Hs384),
            Algorithm::Hs512 => hmac_key(key).map(Self::Hs512),
            Algorithm::EdDsa => from_pkcs8(key).map(Self::EdDsa),
            Algorithm::Es256 => from_pkcs8(key).map(Self::Es256),
            Algorithm::Es384 => from_pkcs8(key).map(Self::Es384),
            Algorithm::Rs256 => Ok(Self::Rs256(Box::new(pkcs1v15::SigningKey::new(rsa_private_key(key)?)))),
            Algorithm::Ps256 => Ok(Self::Ps256(Box::new(pss::SigningKey::new(rsa_private_key(key)?)))),
        }
    }

    /// The public key: 32 bytes for Ed25519, an uncompressed point for ECDSA, a DER-encoded `RSAPublicKey` for RSA. None
    /// for HMAC.
    pub(crate) fn public_key(&self) -> Option<Vec<u8>> {
        let rsa = |key: &rsa::PrivateKey| Some(key.to_public_key().to_pkcs1_der().ok()?.as_bytes().to_vec());
        match self {
            Self::Hs256(_) | Self::Hs384(_) | Self::Hs512(_) => None,
            Self::EdDsa(key) => Some(key.verifying_key().as_bytes().to_vec()),
            Self::Es256(key) => Some(key.verifying_key().to_sec1_point(false).as_bytes().to_vec()),
            Self::Es384(key) => Some(key.verifying_key().to_sec1_point(false).as_bytes().to_vec()),
            Self::Rs256(key) => rsa(key.as_ref().as_ref()),
            Self::Ps256(key) => rsa(key.as_ref().as_ref()),
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Signature, CryptoError> {
        match self {
            Self::Hs256(key) => Ok(tag(&**key, message)),
            Self::Hs384(key) => Ok(tag(&**key, message)),
            Self::Hs512(key) => Ok(tag(&**key, message)),
            Self::EdDsa(key) => signature::<ed25519_dalek::Signature, _>(&**key, message),
            Self::Es256(key) => signature::<p256::ecdsa::Signature, _>(&**key, message),
            Self::Es384(key) => signature::<p384::ecdsa::Signature, _>(&**key, message),
            Self::Rs256(key) => signature::<pkcs1v15::Signature, _>(&**key, message),
            Self::Ps256(key) => signature::<pss::Signature, _>(&**key, message),
        }
    }
}

/// A public key or a secret, prepared for verifying.
#[derive(Clone)]
pub(crate) enum VerificationKey {
    Hs256(Box<Hmac<Sha256>>),
    Hs384(Box<Hmac<Sha384>>),
    Hs512(Box<Hmac<Sha512>>),
    EdDsa(Box<ed25519_dalek::VerifyingKey>),
    Es256(Box<p256::ecdsa::VerifyingKey>),
    Es384(Box<p384::ecdsa::VerifyingKey>),
    Rs256(Box<pkcs1v15::VerifyingKey<Sha256>>),
    Ps256(Box<pss::VerifyingKey<Sha256>>),
}

impl VerificationKey {
    pub(crate) fn new(algorithm: Algorithm, key: &DecodingKey) -> Result<Self, KeyRejected> {
        let secret = || key.try_get_as_bytes().map_err(|_| KeyRejected::Invalid);
        match algorithm {
            Algorithm::Hs256 => hmac_key(secret()?).map(Self::Hs256),
            Algorithm::Hs384 => hmac_key(secret()?).map(Self::Hs384),
            Algorithm::Hs512 => hmac_key(secret()?).map(Self::Hs512),
            Algorithm::EdDsa => public_key(key).map(Self::EdDsa),
            Algorithm::Es256 => public_key(key).map(Self::Es256),
            Algorithm::Es384 => public_key(key).map(Self::Es384),
            Algorithm::Rs256 => Ok(Self::Rs256(Box::new(pkcs1v15::VerifyingKey::new(rsa_public_key(key)?)))),
            Algorithm::Ps256 => Ok(Self::Ps256(Box::new(pss::VerifyingKey::new(rsa_public_key(key)?)))),
        }
    }

    /// Whether `signature` is a signature of `message` with this key. MACs are compared in constant time.
    pub(crate) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hs256(key) => is_tag(&**key, message, signature),
            Self::Hs384(key) => is_tag(&**key, message, signature),
            Self::Hs512(key) => is_tag(&**key, message, signature),
            Self::EdDsa(key) => is_signature::<ed25519_dalek::Signature, _>(&**key, message, signature),
            Self::Es256(key) => is_signature::<p256::ecdsa::Signature, _>(&**key, message, signature),
            Self::Es384(key) => is_signature::<p384::ecdsa::Signature, _>(&**key, message, signature),
            Self::Rs256(key) => is_signature::<pkcs1v15::Signature, _>(&**key, message, signature),
            Self::Ps256(key) => is_signature::<pss::Signature, _>(&**key, message, signature),
        }
    }
}

fn hmac_key<M: KeyInit>(secret: &[u8]) -> Result<Box<M>, KeyRejected> {
    M::new_from_slice(secret).map(Box::new).map_err(|_| KeyRejected::Invalid)
}

fn tag(key: &(impl hmac::Mac + Clone), message: &[u8]) -> Vec<u8> {
    key.clone().chain_update(message).finalize().into_bytes().to_vec()
}

fn is_tag(key: &(impl hmac::Mac + Clone), message: &[u8], tag: &[u8]) -> bool {
    key.clone().chain_update(message).verify_slice(tag).is_ok()
}

fn signature<S: SignatureEncoding, K: rsa::signature::Signer<S>>(
    key: &K,
    message: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    key.try_sign(message).map(|signature| signature.to_vec()).map_err(|_| CryptoError(()))
}

fn is_signature<S, K>(key: &K, message: &[u8], signature: &[u8]) -> bool
where
    S: for<'a> TryFrom<&'a [u8]>,
    K: Verifier<S>,
{
    S::try_from(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
}

fn from_pkcs8<K: DecodePrivateKey>(der: &[u8]) -> Result<Box<K>, KeyRejected> {
    K::from_pkcs8_der(der).map(Box::new).map_err(|_| KeyRejected::Invalid)
}

fn public_key<'a, K: TryFrom<&'a [u8]>>(key: &'a DecodingKey) -> Result<Box<K>, KeyRejected> {
    let bytes = key.try_get_as_bytes().map_err(|_| KeyRejected::Invalid)?;
    K::try_from(bytes).map(Box::new).map_err(|_| KeyRejected::Invalid)
}

fn rsa_private_key(der: &[u8]) -> Result<rsa::PrivateKey, KeyRejected> {
    rsa::PrivateKey::from_pkcs1_der(der).map_err(|_| KeyRejected::Invalid)
}

fn rsa_public_key(key: &DecodingKey) -> Result<rsa::PublicKey, KeyRejected> {
    let DecodingKeyKind::RsaModulusExponent { n, e } = key.kind() else { return Err(KeyRejected::Invalid) };
    let (n, e) = (BoxedUint::from_be_slice_vartime(n), BoxedUint::from_be_slice_vartime(e));
    rsa::PublicKey::new_with_size_limits(n, e, MODULUS_BITS).map_err(|_| KeyRejected::Invalid)
}
