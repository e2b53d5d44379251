//! The members of a payload in their order.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};

use super::{standard_claim::StandardClaim, standard_claims::StandardClaims};
use crate::access_token::profile::Expected;

/// The members of the payload. Standard claims are read on the way; `C` sees the others.
pub(super) struct Members<'a, 'de, A> {
    pub(super) map: A,
    pub(super) expected: &'a Expected<'a>,
    pub(super) standard: &'a mut StandardClaims,
    pub(super) peeked: Option<Cow<'de, str>>,
}

impl<'de, A: MapAccess<'de>> Members<'_, 'de, A> {
    /// The name of the next custom member.
    pub(super) fn next_name(&mut self) -> Result<Option<Cow<'de, str>>, A::Error> {
        if let Some(name) = self.peeked.take() {
            return Ok(Some(name));
        }
        while let Some(name) = self.map.next_key_seed(Name)? {
            match StandardClaim::in_profile(&name, self.expected.profile) {
                Some(claim) => self.standard.read_value(claim, &mut self.map, self.expected)?,
                None => {
                    self.standard.names.add_custom(&name);
                    if !self.expected.profile.is_scope_claim(&name) {
                        return Ok(Some(name));
                    }
                    self.standard.add_scope(&mut self.map)?;
                }
            }
        }
        Ok(None)
    }

    /// Whether there is a custom member left.
    pub(super) fn has_next(&mut self) -> Result<bool, A::Error> {
        self.peeked = self.next_name()?;
        Ok(self.peeked.is_some())
    }

    /// The value of the custom member whose name was read last.
    pub(super) fn next_value<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.map.next_value_seed(seed)
    }

    /// Reads to the end, for a `C` that did not read every member.
    pub(super) fn skip_rest(&mut self) -> Result<(), A::Error> {
        while self.next_name()?.is_some() {
            self.map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// The name of a member, unescaped; borrowed if it has no escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}
