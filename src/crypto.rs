//! The one place that knows the cryptographic backend.
//!
//! Everything goes through the public factories of the backend that a feature selects, never through
//! `jsonwebtoken`'s process-wide default provider: that one panics when neither backend or both are compiled in,
//! which is for the whole application's features to decide. Where both are compiled in, aws-lc-rs is used. Without
//! either everything here is an error, and no key ring can be built.

use std::{error::Error, fmt};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto::CryptoProvider, jwk::ThumbprintHash};

/// The backend's implementation of signatures, if a backend is compiled in.
pub(crate) fn provider() -> Option<&'static CryptoProvider> {
    backend::PROVIDER
}

/// Unpredictable bytes from the operating system, or a generator seeded by it.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    if backend::fill_random(&mut bytes) { Ok(bytes) } else { Err(RandomError(())) }
}

/// Whether `a` and `b` are the same, in a time that depends on their lengths only.
pub(crate) fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    backend::constant_time_eq(a, b)
}

/// The SHA-256 of `data`.
pub(crate) fn sha256(data: &[u8]) -> Result<[u8; 32], CryptoError> {
    let provider = provider().ok_or(CryptoError(()))?;
    let digest =
        (provider.key_utils.compute_digest)(data, ThumbprintHash::SHA256).map_err(|_| CryptoError(()))?;
    digest.try_into().map_err(|_| CryptoError(()))
}

/// The signature of `message`. The factory's box is not `Send`, so it lives and dies in here.
pub(crate) fn sign(algorithm: Algorithm, key: &EncodingKey, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let provider = provider().ok_or(CryptoError(()))?;
    let signer = (provider.signer_factory)(&algorithm, key).map_err(|_| CryptoError(()))?;
    signer.try_sign(message).map_err(|_| CryptoError(()))
}

/// Whether `signature` is `key`'s signature of `message`. MACs are compared in constant time by the backend.
pub(crate) fn verify(algorithm: Algorithm, key: &DecodingKey, message: &[u8], signature: &Vec<u8>) -> bool {
    provider()
        .and_then(|provider| (provider.verifier_factory)(&algorithm, key).ok())
        .is_some_and(|verifier| verifier.verify(message, signature).is_ok())
}

/// Whether the backend can use a public key: 32 bytes for Ed25519, a point for ECDSA, PKCS#1 DER for RSA.
///
/// Needed because aws-lc-rs reads a public key only when it first verifies something, where a key that cannot be
/// read and a wrong signature look the same.
pub(crate) fn accepts_public_key(algorithm: Algorithm, key: &[u8]) -> bool {
    backend::accepts_public_key(algorithm, key)
}

/// A key of HMAC-SHA256.
pub(crate) struct MacKey(EncodingKey);

impl MacKey {
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self(EncodingKey::from_secret(secret))
    }

    pub(crate) fn mac(&self, message: &[u8]) -> Result<[u8; 32], CryptoError> {
        sign(Algorithm::HS256, &self.0, message)?.try_into().map_err(|_| CryptoError(()))
    }

    /// The secret itself, to derive a key id from.
    pub(crate) fn secret(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey([redacted])")
    }
}

/// The backend refused, or there is none. It says nothing more, because its text could tell of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CryptoError(());

impl fmt::Display for CryptoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the cryptographic backend failed")
    }
}

impl Error for CryptoError {}

/// There are no random bytes to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RandomError(());

impl fmt::Display for RandomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no random bytes are available")
    }
}

impl Error for RandomError {}

#[cfg(feature = "aws_lc_rs")]
mod backend {
    use aws_lc_rs::{
        constant_time, rand,
        signature::{self, ParsedPublicKey, VerificationAlgorithm},
    };
    use jsonwebtoken::{
        Algorithm,
        crypto::{CryptoProvider, aws_lc},
    };

    pub(super) const PROVIDER: Option<&CryptoProvider> = Some(&aws_lc::DEFAULT_PROVIDER);

    pub(super) fn fill_random(bytes: &mut [u8]) -> bool {
        rand::fill(bytes).is_ok()
    }

    pub(super) fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(a, b).is_ok()
    }

    pub(super) fn accepts_public_key(algorithm: Algorithm, key: &[u8]) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match algorithm {
            Algorithm::EdDSA => &signature::ED25519,
            Algorithm::ES256 => &signature::ECDSA_P256_SHA256_FIXED,
            Algorithm::ES384 => &signature::ECDSA_P384_SHA384_FIXED,
            Algorithm::RS256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Algorithm::PS256 => &signature::RSA_PSS_2048_8192_SHA256,
            _ => return false,
        };
        ParsedPublicKey::new(algorithm, key).is_ok()
    }
}

#[cfg(all(feature = "rust_crypto", not(feature = "aws_lc_rs")))]
mod backend {
    use jsonwebtoken::{
        Algorithm, DecodingKey,
        crypto::{CryptoProvider, rust_crypto},
    };
    use subtle::ConstantTimeEq;

    pub(super) const PROVIDER: Option<&CryptoProvider> = Some(&rust_crypto::DEFAULT_PROVIDER);

    pub(super) fn fill_random(bytes: &mut [u8]) -> bool {
        getrandom::fill(bytes).is_ok()
    }

    pub(super) fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
        a.ct_eq(b).into()
    }

    pub(super) fn accepts_public_key(algorithm: Algorithm, key: &[u8]) -> bool {
        let provider = &rust_crypto::DEFAULT_PROVIDER;
        match algorithm {
            // The factory cuts the key to 32 bytes by an index that panics.
            Algorithm::EdDSA => {
                key.len() == 32
                    && (provider.verifier_factory)(&algorithm, &DecodingKey::from_ed_der(key)).is_ok()
            }
            Algorithm::ES256 | Algorithm::ES384 => {
                (provider.verifier_factory)(&algorithm, &DecodingKey::from_ec_der(key)).is_ok()
            }
            Algorithm::RS256 | Algorithm::PS256 => {
                (provider.key_utils.rsa_pub_components_from_public_key)(key).is_ok()
            }
            _ => false,
        }
    }
}

#[cfg(not(any(feature = "aws_lc_rs", feature = "rust_crypto")))]
mod backend {
    use jsonwebtoken::{Algorithm, crypto::CryptoProvider};

    pub(super) const PROVIDER: Option<&CryptoProvider> = None;

    pub(super) fn fill_random(_: &mut [u8]) -> bool {
        false
    }

    pub(super) fn constant_time_eq(_: &[u8], _: &[u8]) -> bool {
        false
    }

    pub(super) fn accepts_public_key(_: Algorithm, _: &[u8]) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(any(feature = "aws_lc_rs", feature = "rust_crypto")))]
    fn without_a_backend_there_are_no_keys() {
        use crate::keys::{KeyError, KeyRing};

        assert_eq!(KeyRing::hs256([1; 32]).err(), Some(KeyError::NoBackend));
        let pem = include_str!("../tests/keys/ed25519.pem");
        assert_eq!(KeyRing::ed25519_pem(pem).err(), Some(KeyError::NoBackend));
        assert_eq!(random::<16>(), Err(RandomError(())));
        assert!(!constant_time_eq(b"a", b"a"));
    }

    #[test]
    #[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
    fn the_backend_does_what_it_says() {
        assert_ne!(random::<16>().unwrap(), random::<16>().unwrap());
        assert!(constant_time_eq(b"same", b"same"));
        assert!(!constant_time_eq(b"same", b"sane"));
        assert!(!constant_time_eq(b"same", b"sam"));
        // FIPS 180-2, appendix B.1
        assert_eq!(sha256(b"abc").unwrap()[..4], [0xba, 0x78, 0x16, 0xbf]);
        // RFC 4231 §4.3
        let mac = MacKey::new(b"Jefe").mac(b"what do ya want for nothing?").unwrap();
        assert_eq!(mac[..4], [0x5b, 0xdc, 0xc1, 0x46]);
    }
}
