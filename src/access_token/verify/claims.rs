//! The claims of a payload: the standard claims are checked, and the others become the application's type, in one pass and
//! without a buffer.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserializer,
    de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor},
};
use serde_json::error::Category;
use tower_refresh_core::Timestamp;

use super::{
    AccessToken, Expected, InvalidTokenReason, custom::CustomDeserializer, duplicates, members::Members,
    standard_claims::StandardClaims,
};

/// Reads the claims of a payload, and rejects it for every reason but expiry. A duplicate member is the first reason, whatever
/// else is wrong.
pub(super) fn read<C: DeserializeOwned>(
    payload: &str,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<AccessToken<C>, InvalidTokenReason> {
    let mut standard = StandardClaims::default();
    let custom = pass::<C>(payload, expected, &mut standard);
    if custom.is_err() || !standard.names.are_distinct() || !duplicates::is_flat(payload) {
        duplicates::reject(payload)?;
    }
    let custom = match custom {
        Ok(custom) => Some(custom),
        Err(_) => {
            // The pass stopped early, at a standard claim or in `C`. A second pass without `C` shows which, and reads
            // the claims that follow: the reason must not depend on the order of the members.
            standard = StandardClaims::default();
            pass::<IgnoredAny>(payload, expected, &mut standard).map_err(|error| match error.classify() {
                Category::Data => InvalidTokenReason::BadClaims,
                Category::Syntax | Category::Eof | Category::Io => InvalidTokenReason::Malformed,
            })?;
            None
        }
    };
    standard.check(now, custom)
}

fn pass<C: DeserializeOwned>(
    payload: &str,
    expected: &Expected<'_>,
    standard: &mut StandardClaims,
) -> Result<C, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(payload);
    let custom = deserializer.deserialize_map(ClaimsVisitor { expected, standard, custom: PhantomData })?;
    deserializer.end()?;
    Ok(custom)
}

struct ClaimsVisitor<'a, C> {
    expected: &'a Expected<'a>,
    standard: &'a mut StandardClaims,
    custom: PhantomData<C>,
}

impl<'de, C: DeserializeOwned> Visitor<'de> for ClaimsVisitor<'_, C> {
    type Value = C;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<C, A::Error> {
        let mut members = Members { map, expected: self.expected, standard: self.standard, peeked: None };
        let custom = C::deserialize(CustomDeserializer(&mut members))?;
        members.skip_rest()?;
        Ok(custom)
    }
}
