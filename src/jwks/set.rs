//! Reads a JWK set (RFC 7517 §5).
//!
//! The set is another server's, so it is bounded, and a key that is not usable is passed over without the others: RFC 7517 §5
//! asks for that, and issuers publish keys for encryption beside those for signatures.

use serde_json::Value;

use crate::{
    access_token::reject_duplicates,
    event::JwksFailure,
    keys::{Algorithm, KeySet, key_of_jwk},
};

/// In bytes. The sets of the large providers have about 10 KiB.
const LARGEST: usize = 64 * 1024;

const MOST_KEYS: usize = 64;

/// The usable keys of a set.
pub(super) fn read(json: &[u8], algorithms: &[Algorithm]) -> Result<KeySet, JwksFailure> {
    if json.len() > LARGEST {
        return Err(JwksFailure::TooLarge);
    }
    let json = str::from_utf8(json).map_err(|_| JwksFailure::Malformed)?;
    // Before the parser, which has a limit for the depth, but takes the last of duplicate members.
    reject_duplicates(json).map_err(|_| JwksFailure::Malformed)?;
    let set: Value = serde_json::from_str(json).map_err(|_| JwksFailure::Malformed)?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or(JwksFailure::Malformed)?;
    if keys.len() > MOST_KEYS {
        return Err(JwksFailure::TooManyKeys);
    }
    let mut usable = Vec::with_capacity(keys.len());
    for jwk in keys {
        match key_of_jwk(jwk, algorithms) {
            Ok(key) => usable.push(key),
            Err(reason) => {
                #[cfg(feature = "tracing")]
                let kid = jwk.get("kid").and_then(Value::as_str);
                #[cfg(feature = "tracing")]
                tracing::debug!(
                    target: "tower_refresh",
                    kid,
                    "a key of the issuer's JWK set is not used: {reason}",
                );
                #[cfg(not(feature = "tracing"))]
                let _ = reason;
            }
        }
    }
    let keys = KeySet::unambiguous(usable);
    if keys.is_empty() { Err(JwksFailure::NoUsableKey) } else { Ok(keys) }
}
