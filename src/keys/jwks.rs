//! The public keys of a ring, for services that verify its access tokens.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{public::PublicKey, verifying::VerifyingKey};
use crate::crypto::Algorithm;

/// The JWK set (RFC 7517 §5) of the public keys of a [`KeyRing`](crate::KeyRing), as `/.well-known/jwks.json` returns it.
///
/// HMAC keys are secret and never included: a ring of HMAC keys only gives `{"keys":[]}`. `Display` and [`Serialize`]
/// give the JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Jwks {
    keys: Vec<Jwk>,
}

impl Jwks {
    pub(super) fn new<'a>(keys: impl IntoIterator<Item = &'a VerifyingKey>) -> Self {
        let mut keys: Vec<_> = keys
            .into_iter()
            .filter_map(|key| {
                let public = key.public.clone()?;
                Some(Jwk { kid: key.kid.clone(), algorithm: key.algorithm(), public })
            })
            .collect();
        // Servers that share keys return the same set, in whichever order each of them added the keys.
        keys.sort_unstable_by(|a, b| a.kid.cmp(&b.kid));
        Self { keys }
    }
}

impl fmt::Display for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Jwk {
    kid: String,
    algorithm: Algorithm,
    public: PublicKey,
}

impl Serialize for Jwk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kid", &self.kid)?;
        map.serialize_entry("use", "sig")?;
        map.serialize_entry("alg", self.algorithm.as_str())?;
        for (name, value) in self.public.members() {
            map.serialize_entry(name, &value)?;
        }
        map.end()
    }
}
