//! The claims of a payload: the standard claims are checked, and the others become the application's type, in one pass and
//! without a buffer.

use std::{
    collections::BTreeMap,
    fmt,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use serde::{
    Deserializer,
    de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor},
};
use serde_json::error::Category;
use tower_refresh_core::Timestamp;

use super::{
    AccessToken, InvalidTokenReason, custom::CustomDeserializer, duplicates, members::Members,
    standard_claim::StandardClaim, standard_claims::StandardClaims,
};
use crate::access_token::profile::{Expected, Profile};

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
            pass::<IgnoredAny>(payload, expected, &mut standard).map_err(|error| match error {
                PassError::Json(error) if error.classify() != Category::Data => InvalidTokenReason::Malformed,
                PassError::Json(_) | PassError::Panicked => InvalidTokenReason::BadClaims,
            })?;
            None
        }
    };
    standard.check(now, custom, expected.profile)
}

/// Reads custom claims as they are read from a token with these members: whether the token would be valid.
pub(crate) fn read_back<C: DeserializeOwned>(json: &str) -> Result<(), Unreadable> {
    let expected =
        Expected { issuer: "", audiences: &[], access_lifetime: Duration::ZERO, profile: Profile::own() };
    let mut standard = StandardClaims::default();
    let custom = pass::<C>(json, &expected, &mut standard).map(drop);
    let has_reserved = custom.is_err() || !standard.names.are_custom();
    if let Some(name) = if has_reserved { reserved_name(json) } else { None } {
        return Err(Unreadable::Reserved(name));
    }
    if custom.is_err() || !standard.names.are_distinct() || !duplicates::is_flat(json) {
        duplicates::reject(json).map_err(|_| Unreadable::DuplicateMember)?;
    }
    custom.map_err(|error| match error {
        PassError::Json(error) => Unreadable::Rejected(error.to_string()),
        PassError::Panicked => Unreadable::Panicked,
    })
}

/// Why custom claims cannot be read back.
pub(crate) enum Unreadable {
    /// They have a member with the name of a standard claim: this one.
    Reserved(String),
    /// A member occurs twice, or they are nested too deep.
    DuplicateMember,
    /// The application's type panicked.
    Panicked,
    /// The application's type rejects them, with this message.
    Rejected(String),
}

fn reserved_name(json: &str) -> Option<String> {
    let members: BTreeMap<String, IgnoredAny> = serde_json::from_str(json).ok()?;
    members.into_keys().find(|name| StandardClaim::from_name(name).is_some())
}

enum PassError {
    Json(serde_json::Error),
    Panicked,
}

fn pass<C: DeserializeOwned>(
    payload: &str,
    expected: &Expected<'_>,
    standard: &mut StandardClaims,
) -> Result<C, PassError> {
    let mut deserializer = serde_json::Deserializer::from_str(payload);
    let visitor = ClaimsVisitor { expected, standard, custom: PhantomData };
    // Whatever the application's type does, no request may panic.
    match catch_unwind(AssertUnwindSafe(|| deserializer.deserialize_map(visitor))) {
        Ok(custom) => {
            let custom = custom.map_err(PassError::Json)?;
            deserializer.end().map_err(PassError::Json)?;
            Ok(custom)
        }
        Err(_panic) => Err(PassError::Panicked),
    }
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
