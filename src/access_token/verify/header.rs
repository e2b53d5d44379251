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
use crate::keys::{PreparedKeys, PreparedVerifier};

/// The key that the encoded header selects.
pub(super) fn key<'k>(
    segment: &[u8],
    keys: &'k PreparedKeys,
) -> Result<&'k PreparedVerifier, InvalidTokenReason> {
    match keys.verifier_by_header(segment) {
        Some(key) => Ok(key),
        None => key_of_other_header(segment, keys),
    }
}

/// The same for a header that differs from the one that we write.
fn key_of_other_header<'k>(
    segment: &[u8],
    keys: &'k PreparedKeys,
) -> Result<&'k PreparedVerifier, InvalidTokenReason> {
    let json = decode(segment)?;
    let json = str::from_utf8(&json).map_err(|_| InvalidTokenReason::Malformed)?;
    duplicates::reject(json)?;
    let header = read(json).map_err(|_| InvalidTokenReason::Malformed)?;
    if header.unsupported {
        return Err(InvalidTokenReason::UnsupportedHeader);
    }
    if !header.typ.as_deref().is_some_and(is_access_token) {
        return Err(InvalidTokenReason::WrongType);
    }
    let key = header.kid.and_then(|kid| keys.verifier(&kid)).ok_or(InvalidTokenReason::UnknownKey)?;
    if header.alg.as_deref() != Some(key.algorithm().as_str()) {
        return Err(InvalidTokenReason::WrongAlgorithm);
    }
    Ok(key)
}

fn read(json: &str) -> Result<Header, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let header = deserializer.deserialize_map(HeaderVisitor)?;
    deserializer.end()?;
    Ok(header)
}

/// Media types are case-insensitive, and `application/` may be omitted (RFC 7515 §4.1.9).
fn is_access_token(typ: &str) -> bool {
    const PREFIX: &str = "application/";
    let subtype = match typ.split_at_checked(PREFIX.len()) {
        Some((prefix, subtype)) if prefix.eq_ignore_ascii_case(PREFIX) => subtype,
        _ => typ,
    };
    subtype.eq_ignore_ascii_case("at+jwt")
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
