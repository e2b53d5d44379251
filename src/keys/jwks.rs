//! The public keys of a ring, for others who verify access tokens.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{public::PublicKey, verifying::VerifyingKey};

/// A JWK set (RFC 7517 §5) of the public keys of a [`KeyRing`](super::KeyRing): what
/// `/.well-known/jwks.json` answers.
///
/// HMAC keys are secret and never in it: a ring of nothing else gives `{"keys":[]}`. `Display` and [`Serialize`] give
/// the JSON.
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
        // Servers that share keys show the same set, in whichever order each of them was given the keys.
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
    algorithm: &'static str,
    public: PublicKey,
}

impl Serialize for Jwk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kid", &self.kid)?;
        map.serialize_entry("use", "sig")?;
        map.serialize_entry("alg", self.algorithm)?;
        for (name, value) in self.public.members() {
            map.serialize_entry(name, &value)?;
        }
        map.end()
    }
}
