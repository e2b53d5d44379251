//! No object may have a member twice, at any depth (RFC 8725 §2.4 tells why, RFC 7519 §4 allows the refusal).
//!
//! Parsers disagree on which of two counts, so the one who checks and the one who uses could read different values.
//! serde's derived code refuses some, its `flatten` and its maps none: hence a pass of our own.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};

use super::InvalidToken;

/// Checks that `json` is one JSON text without duplicate members. Nesting deeper than 127 is malformed.
pub(crate) fn refuse(json: &str) -> Result<(), InvalidToken> {
    let mut names = Names::default();
    let mut deserializer = serde_json::Deserializer::from_str(json);
    match Value(&mut names).deserialize(&mut deserializer).and_then(|()| deserializer.end()) {
        Ok(()) => Ok(()),
        Err(_) if names.duplicate => Err(InvalidToken::DuplicateMember),
        Err(_) => Err(InvalidToken::Malformed),
    }
}

/// The names of all objects that are open, those of the innermost last: one buffer for all depths.
#[derive(Default)]
struct Names<'de> {
    open: Vec<Cow<'de, str>>,
    duplicate: bool,
}

impl Names<'_> {
    /// Forgets the names from `start` on, and tells whether there are two of the same among them. Sorting keeps an
    /// object of many members cheap, and cannot be attacked as a hash can.
    fn close(&mut self, start: usize) -> bool {
        if let Some(names) = self.open.get_mut(start..) {
            names.sort_unstable();
            self.duplicate |= names.windows(2).any(|pair| matches!(pair, [a, b] if a == b));
        }
        self.open.truncate(start);
        self.duplicate
    }
}

struct Value<'a, 'de>(&'a mut Names<'de>);

impl<'de> DeserializeSeed<'de> for Value<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate members")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let start = self.0.open.len();
        while let Some(name) = map.next_key_seed(Name)? {
            self.0.open.push(name);
            map.next_value_seed(Value(self.0))?;
        }
        if self.0.close(start) { Err(A::Error::custom("duplicate member")) } else { Ok(()) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Value(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

/// A member's name after its escapes, borrowed where it has none.
pub(super) struct Name;

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
