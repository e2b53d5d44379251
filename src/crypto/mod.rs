//! The cryptographic backend, which a feature selects.
//!
//! With both features, aws-lc-rs is used. Without a backend every call fails, and no key ring can be built.
//!
//! None of jsonwebtoken's backend features is enabled: its process-wide default provider panics as soon as both of its
//! backends are compiled in, so such a feature would break applications that use jsonwebtoken with the other backend.
//! Only its key types are used.
//!
//! [`Signer`], [`VerificationKey`] and [`MacKey`] are prepared once, when a key is read.

use std::{cell::RefCell, error::Error, fmt, mem, process};

use zeroize::Zeroizing;

mod algorithm;
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

pub use self::algorithm::Algorithm;
pub(crate) use self::backend::{Signature, Signer, VerificationKey};

/// Whether a backend is compiled in.
pub(crate) const HAS_BACKEND: bool = cfg!(any(feature = "aws_lc_rs", feature = "rust_crypto"));

/// Unpredictable bytes from the operating system, or from a generator that it seeds.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    if backend::fill_random(&mut bytes) { Ok(bytes) } else { Err(RandomError(())) }
}

/// The same for an identifier that is no secret. They are drawn many at a time, because the generator has a cost for each call.
pub(crate) fn random_id<const N: usize>() -> Result<[u8; N], RandomError> {
    thread_local! {
        static POOL: RefCell<Pool> = const { RefCell::new(Pool::EMPTY) };
    }
    // A thread that ends has no pool any more.
    POOL.try_with(|pool| pool.borrow_mut().take()).unwrap_or_else(|_| random())
}

/// Whether `a` equals `b`, in a time that depends on their lengths only.
pub(crate) fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    backend::constant_time_eq(a, b)
}

/// The SHA-256 of `data`.
pub(crate) fn sha256(data: &[u8]) -> Result<[u8; 32], CryptoError> {
    backend::sha256(data)
}

/// Random bytes of a thread. None is returned twice, nor kept after it was returned.
struct Pool {
    bytes: [u8; 256],
    unused: usize,
    /// A copy of the process has the same bytes, and must not return them too.
    process: u32,
}

impl Pool {
    const EMPTY: Self = Self { bytes: [0; 256], unused: 0, process: 0 };

    fn take<const N: usize>(&mut self) -> Result<[u8; N], RandomError> {
        let process = process_id();
        if self.unused < N || self.process != process {
            self.unused = 0;
            self.bytes = random()?;
            (self.unused, self.process) = (self.bytes.len(), process);
        }
        let Some((rest, last)) = self.bytes[..self.unused].split_last_chunk_mut::<N>() else {
            return random();
        };
        self.unused = rest.len();
        Ok(mem::replace(last, [0; N]))
    }
}

/// Where processes can be copied.
fn process_id() -> u32 {
    if cfg!(unix) { process::id() } else { 0 }
}

/// A key for HMAC-SHA256.
pub(crate) struct MacKey {
    secret: Zeroizing<Vec<u8>>,
    mac: backend::Mac,
}

impl MacKey {
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self { secret: Zeroizing::new(secret.to_vec()), mac: backend::Mac::new(secret) }
    }

    /// The MAC of the concatenated parts.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
        self.mac.sign(parts)
    }

    /// The secret itself, from which the key id is derived.
    pub(crate) fn secret(&self) -> &[u8] {
        &self.secret
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey([redacted])")
    }
}

/// Why the backend rejects a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyRejected {
    /// The RSA modulus has less than 2048 bits. Only aws-lc-rs checks that when it reads a private key.
    #[cfg_attr(not(feature = "aws_lc_rs"), expect(dead_code, reason = "keys::public checks it afterwards"))]
    RsaTooShort,
    /// Any other reason, or there is no backend.
    Invalid,
}

/// The backend failed, or there is none. It carries no details, because the backend's message could reveal a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CryptoError(());

impl fmt::Display for CryptoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the cryptographic backend failed")
    }
}

impl Error for CryptoError {}

/// No random bytes are available.
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
    use std::collections::HashSet;

    use super::*;

    #[test]
    #[cfg(not(any(feature = "aws_lc_rs", feature = "rust_crypto")))]
    fn without_a_backend_every_call_fails() {
        assert_eq!(random::<16>(), Err(RandomError(())));
        assert!(!constant_time_eq(b"a", b"a"));
        assert!(sha256(b"abc").is_err());
        assert!(MacKey::new(b"Jefe").mac(&[b"what do ya want for nothing?"]).is_err());
    }

    #[test]
    #[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
    fn the_backend_computes_the_values_of_the_standards() {
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

    #[test]
    #[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
    fn no_identifier_is_returned_twice() {
        let mut seen = HashSet::new();
        for _ in 0..100 {
            assert!(seen.insert(random_id::<16>().unwrap()[..8].to_vec()));
            assert!(seen.insert(random_id::<8>().unwrap().to_vec()));
            assert!(seen.insert(random_id::<240>().unwrap()[..8].to_vec()));
        }
    }

    #[test]
    #[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
    fn a_copy_of_the_process_does_not_use_the_same_bytes() {
        let mut pool = Pool::EMPTY;
        pool.take::<8>().unwrap();
        let left = pool.bytes;
        pool.process = !process_id();
        let next = pool.take::<8>().unwrap();
        assert!(!left.windows(8).any(|bytes| bytes == next));
        assert_eq!(pool.process, process_id());
    }

    #[test]
    #[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
    fn bytes_that_were_returned_are_not_kept() {
        let mut pool = Pool::EMPTY;
        let id = pool.take::<16>().unwrap();
        assert!(!pool.bytes.windows(16).any(|bytes| bytes == id));
    }

    #[test]
    fn a_private_key_that_the_backend_cannot_read_is_rejected() {
        let key = jsonwebtoken::EncodingKey::from_ed_der(b"no key");
        assert!(Signer::new(Algorithm::EdDsa, &key).is_err());
    }
}
