//! The one place that knows the cryptographic backend, which a feature selects.
//!
//! Where both are compiled in, aws-lc-rs is used. Without either everything here is an error, and no key ring can be
//! built. `jsonwebtoken`'s process-wide default provider is never asked: it panics when neither backend or both are
//! compiled in, which is for the whole application's features to decide.
//!
//! A key is set up when it is read: [`Signer`], [`Verifier`] and [`MacKey`] are ready for use.

use std::{error::Error, fmt};

use jsonwebtoken::{EncodingKey, crypto::CryptoProvider};

#[cfg(feature = "aws_lc_rs")]
mod aws_lc;
#[cfg(not(any(feature = "aws_lc_rs", feature = "rust_crypto")))]
mod none;
#[cfg(all(feature = "rust_crypto", not(feature = "aws_lc_rs")))]
mod rust_crypto;

#[cfg(feature = "aws_lc_rs")]
use self::aws_lc as backend;
#[cfg(not(any(feature = "aws_lc_rs", feature = "rust_crypto")))]
use self::none as backend;
#[cfg(all(feature = "rust_crypto", not(feature = "aws_lc_rs")))]
use self::rust_crypto as backend;

pub(crate) use self::backend::{Signer, Verifier};

/// What the backend tells of keys, if a backend is compiled in.
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
    backend::sha256(data)
}

/// A key of HMAC-SHA256.
pub(crate) struct MacKey {
    secret: EncodingKey,
    mac: backend::Mac,
}

impl MacKey {
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self { secret: EncodingKey::from_secret(secret), mac: backend::Mac::new(secret) }
    }

    /// The MAC of the parts, one after the other.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
        self.mac.sign(parts)
    }

    /// The secret itself, to derive a key id from.
    pub(crate) fn secret(&self) -> &[u8] {
        self.secret.as_bytes()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(any(feature = "aws_lc_rs", feature = "rust_crypto")))]
    fn without_a_backend_there_are_no_keys() {
        use crate::keys::{KeyError, KeyRing};

        assert_eq!(KeyRing::hs256([1; 32]).err(), Some(KeyError::NoBackend));
        let pem = include_str!("../../tests/keys/ed25519.pem");
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
        let mac = MacKey::new(b"Jefe").mac(&[b"what do ya want ", b"for nothing?"]).unwrap();
        assert_eq!(mac[..4], [0x5b, 0xdc, 0xc1, 0x46]);
    }
}
