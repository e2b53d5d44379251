//! Tokens of other kinds that an issuer signs with the same keys, by their claims (RFC 8725 §3.12).
//!
//! The header's `typ` tells them apart where issuers set it (RFC 9068 §2.1). Where the configuration accepts another `typ`, these
//! claims remain.

use std::fmt;

use serde::{
    Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::Value;

use super::InvalidTokenReason;

/// The types that are not those of access tokens: Keycloak's, which have the others' as well.
const OTHER_TYPES: [&str; 4] = ["ID", "Refresh", "Offline", "Logout"];

/// Rejects a payload with a claim that no bearer access token has:
///
/// - `at_hash`, `c_hash`: an ID token (OpenID Connect Core §3.1.3.6, §3.3.2.11);
/// - `events`: a logout token or another security event token (RFC 8417 §2.2);
/// - `cnf`: a token that is bound to a key, whose possession nothing proves here (RFC 7800 §3.1, RFC 8705, RFC 9449);
/// - `typ`, `token_use` (Amazon Cognito) or `token_type` (Simple JWT): one of the types above, whatever its case and the spaces around
///   it, alone or in a list.
pub(super) fn reject(payload: &str) -> Result<(), InvalidTokenReason> {
    let is_other = serde_json::Deserializer::from_str(payload)
        .deserialize_map(IsOtherToken)
        .map_err(|_| InvalidTokenReason::Malformed)?;
    if is_other { Err(InvalidTokenReason::WrongType) } else { Ok(()) }
}

struct IsOtherToken;

impl<'de> Visitor<'de> for IsOtherToken {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut is_other = false;
        while let Some(name) = map.next_key::<String>()? {
            if matches!(name.as_str(), "typ" | "token_use" | "token_type") {
                is_other |= names_other_type(&map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
                is_other |= matches!(name.as_str(), "at_hash" | "c_hash" | "events" | "cnf");
            }
        }
        Ok(is_other)
    }
}

/// Its depth is limited by the parser.
fn names_other_type(typ: &Value) -> bool {
    match typ {
        Value::String(typ) => OTHER_TYPES.iter().any(|other| typ.trim().eq_ignore_ascii_case(other)),
        Value::Array(types) => types.iter().any(names_other_type),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}
