//! The application's claims, as an access token contains them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    invalid_claims::{InvalidClaims, InvalidClaimsReason},
    serde_message,
    verify::{Unreadable, read_back},
};

/// The JSON of the custom members, without the braces. Clones share the text. It is checked after serialisation, so whatever the type does,
/// no token is issued that would not verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CustomMembers(Arc<str>);

impl CustomMembers {
    /// Serialises the claims, and reads them back once.
    pub(crate) fn of<C: Serialize + DeserializeOwned>(claims: &C) -> Result<Self, InvalidClaims> {
        // A panic would reach every request that shares the load.
        let json = catch_unwind(AssertUnwindSafe(|| serde_json::to_string(claims)));
        let json = json.map_err(|_panic| {
            InvalidClaims::with_details(InvalidClaimsReason::Panicked, "the panic was in `Serialize`")
        })?;
        let mut json = json.map_err(|error| {
            let details = serde_message::without_values(&error.to_string());
            InvalidClaims::with_details(InvalidClaimsReason::NotSerializable, details)
        })?;
        // A unit, and an `Option` that is `None`.
        if json == "null" {
            "{}".clone_into(&mut json);
        }
        if !json.starts_with('{') {
            return Err(InvalidClaimsReason::NotAMap.into());
        }
        read_back::<C>(&json).map_err(|unreadable| match unreadable {
            Unreadable::Reserved(name) => {
                InvalidClaims::with_details(InvalidClaimsReason::ReservedName, format!("`{name}`"))
            }
            Unreadable::DuplicateMember => InvalidClaimsReason::DuplicateMember.into(),
            Unreadable::Panicked => {
                InvalidClaims::with_details(InvalidClaimsReason::Panicked, "the panic was in `Deserialize`")
            }
            Unreadable::Rejected(message) => {
                let details = serde_message::without_values(&message);
                InvalidClaims::with_details(InvalidClaimsReason::NotDeserializable, details)
            }
        })?;
        let members = json.strip_prefix('{').and_then(|json| json.strip_suffix('}'));
        Ok(Self(members.unwrap_or_default().into()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}
