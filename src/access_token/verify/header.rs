//! The JOSE header (RFC 7515 §4): it selects a key of the ring, and nothing else.
//!
//! `jwk`, `jku`, `x5u` and `x5c` would let a token bring its own key. Like every other unknown member they are skipped.

use std::fmt;

use serde::{
    Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::Value;

use super::{InvalidTokenReason, decode, duplicates};
use crate::{
    access_token::profile::Profile,
    keys::{KeySet, PreparedVerifier},
};

/// The key that the encoded header selects.
pub(super) fn key<'k>(
    segment: &[u8],
    keys: &'k KeySet,
    profile: &Profile,
) -> Result<&'k PreparedVerifier, InvalidTokenReason> {
    match keys.by_header(segment) {
        Some(key) => Ok(key),
        None => key_of_other_header(segment, keys, profile),
    }
}

/// The same for a header that differs from the one that we write.
fn key_of_other_header<'k>(
    segment: &[u8],
    keys: &'k KeySet,
    profile: &Profile,
) -> Result<&'k PreparedVerifier, InvalidTokenReason> {
    let json = decode(segment)?;
    let json = str::from_utf8(&json).map_err(|_| InvalidTokenReason::Malformed)?;
    duplicates::reject(json)?;
    let header = read(json).map_err(|_| InvalidTokenReason::Malformed)?;
    if header.unsupported {
        return Err(InvalidTokenReason::UnsupportedHeader);
    }
    if !profile.accepts_type(header.typ.as_deref()) {
        return Err(InvalidTokenReason::WrongType);
    }
    let alg = header.alg.as_deref();
    let key = match header.kid {
        Some(kid) => keys.by_id(&kid),
        None if profile.is_own => None,
        None => keys.only_one_for(alg.ok_or(InvalidTokenReason::WrongAlgorithm)?),
    };
    let key = key.ok_or(InvalidTokenReason::UnknownKey)?;
    let algorithm = key.algorithm();
    let is_named = |alg| if profile.is_own { alg == algorithm.as_str() } else { algorithm.is_named(alg) };
    if alg.is_some_and(is_named) { Ok(key) } else { Err(InvalidTokenReason::WrongAlgorithm) }
}

fn read(json: &str) -> Result<Header, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let header = deserializer.deserialize_map(HeaderVisitor)?;
    deserializer.end()?;
    Ok(header)
}

#[derive(Default)]
struct Header {
    alg: Option<String>,
    typ: Option<String>,
    kid: Option<String>,
    unsupported: bool,
}

/// Not derived: a derived one accepts an array as well.
struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JOSE header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut header = Header::default();
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "alg" => header.alg = Some(map.next_value()?),
                "typ" => header.typ = Some(map.next_value()?),
                "kid" => header.kid = Some(map.next_value()?),
                // Extensions that must be understood (RFC 7515 §4.1.11); none is supported.
                "crit" => {
                    map.next_value::<IgnoredAny>()?;
                    header.unsupported = true;
                }
                // The payload not in base64url (RFC 7797).
                "b64" => header.unsupported |= map.next_value::<Value>()? != Value::Bool(true),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(header)
    }
}
