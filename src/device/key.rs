//! The public key of a device.

use std::fmt;

use serde_json::Value;

use super::error::ProofError;
use crate::keys::{self, Algorithm, PublicKey, UnusableJwk, VerifyingKey};

const ES256: u8 = 1;
const RS256: u8 = 2;
const COORDINATE_LEN: usize = 32;

/// The public key of a device: a point on P-256, or an RSA key of 2048 to 8192 bits (4096 with `rust_crypto`).
#[derive(Clone)]
pub(crate) struct DeviceKey {
    key: VerifyingKey,
    bytes: Box<[u8]>,
}

impl DeviceKey {
    /// Reads the `jwk` of a registration.
    pub(crate) fn from_jwk(jwk: &Value) -> Result<Self, ProofError> {
        let key = keys::key_of_jwk(jwk, &[Algorithm::Es256, Algorithm::Rs256])?;
        Self::new(key).ok_or(ProofError::UnsupportedKey)
    }

    /// What the session's row stores: the algorithm in one byte, then `x ‖ y`, or `length of e(1) ‖ e ‖ n`.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.bytes.to_vec()
    }

    /// The key of a row. Everything is checked again.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (algorithm, public) = match bytes.split_first()? {
            (&ES256, point) => {
                let (x, y) = point.split_at_checked(COORDINATE_LEN).filter(|(x, y)| x.len() == y.len())?;
                (Algorithm::Es256, PublicKey::Ec { curve: "P-256", x: x.to_vec(), y: y.to_vec() })
            }
            (&RS256, numbers) => {
                let (len, numbers) = numbers.split_first()?;
                let (e, n) = numbers.split_at_checked(usize::from(*len))?;
                (Algorithm::Rs256, PublicKey::rsa(n, e).ok()?)
            }
            _ => return None,
        };
        let key = Self::new(VerifyingKey::from_public(algorithm, public).ok()?)?;
        // A key has one form only: no leading zeros.
        (*key.bytes == *bytes).then_some(key)
    }

    /// The algorithm that the header of the key's proofs must name.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// Whether `signature` is a signature of `message` with this key.
    pub(crate) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.accepts(message, signature)
    }

    fn new(key: VerifyingKey) -> Option<Self> {
        let bytes = match (key.algorithm(), key.public_key()?) {
            (Algorithm::Es256, PublicKey::Ec { x, y, .. }) => [&[ES256], x.as_slice(), y].concat(),
            (Algorithm::Rs256, PublicKey::Rsa { n, e }) => {
                [&[RS256, u8::try_from(e.len()).ok()?], e.as_slice(), n].concat()
            }
            _ => return None,
        };
        Some(Self { key, bytes: bytes.into() })
    }
}

impl PartialEq for DeviceKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for DeviceKey {}

/// Shows no key: it identifies a device.
impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey({})", self.algorithm())
    }
}

impl From<UnusableJwk> for ProofError {
    fn from(reason: UnusableJwk) -> Self {
        match reason {
            UnusableJwk::Malformed | UnusableJwk::Secret | UnusableJwk::ForOtherUse | UnusableJwk::Weak => {
                Self::InvalidKey
            }
            UnusableJwk::Unsupported | UnusableJwk::ShortRsaKey | UnusableJwk::LongRsaKey => {
                Self::UnsupportedKey
            }
        }
    }
}
