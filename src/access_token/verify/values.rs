//! The values of the standard claims, checked while they are read, so that nothing is copied needlessly.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, SeqAccess, Visitor},
};
use tower_refresh_core::{SessionHandle, Subject, Timestamp};

use crate::access_token::scope;

/// `iss`: a string; whether it is this one, byte for byte.
pub(super) struct Is<'a>(pub(super) &'a str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(Text("a string", |text: &str| Some(text == self.0)))
    }
}

/// `aud`: a string, or a list of strings that is not empty (RFC 7519 §4.1.3); whether one of these is in it.
pub(super) struct HasAudience<'a>(pub(super) &'a [String]);

impl<'de> DeserializeSeed<'de> for HasAudience<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for HasAudience<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an audience or a list of them")
    }

    fn visit_str<E: Error>(self, audience: &str) -> Result<bool, E> {
        Ok(self.0.iter().any(|expected| expected == audience))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        let mut any = None;
        while let Some(found) = seq.next_element_seed(IsOneOf(self.0))? {
            any = Some(found || any == Some(true));
        }
        any.ok_or_else(|| A::Error::custom("an empty list of audiences"))
    }
}

/// Each of several `aud`: a string; whether it is one of these, byte for byte.
struct IsOneOf<'a>(&'a [String]);

impl<'de> DeserializeSeed<'de> for IsOneOf<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        let read = |text: &str| Some(self.0.iter().any(|expected| expected == text));
        deserializer.deserialize_str(Text("a string", read))
    }
}

/// A claim with scope tokens: a string of them, or a list of strings. What is no scope token (RFC 6749 §3.3) in a list grants
/// nothing: one with a space in it must not become two.
pub(super) struct ScopeTokens(pub(super) String);

impl<'de> Deserialize<'de> for ScopeTokens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScopeVisitor)
    }
}

struct ScopeVisitor;

impl<'de> Visitor<'de> for ScopeVisitor {
    type Value = ScopeTokens;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("scope tokens or a list of them")
    }

    fn visit_str<E: Error>(self, scope: &str) -> Result<ScopeTokens, E> {
        Ok(ScopeTokens(scope.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ScopeTokens, A::Error> {
        let mut scope = String::new();
        while let Some(token) = seq.next_element::<String>()? {
            if scope::is_valid(&token) && !token.contains(' ') {
                if !scope.is_empty() {
                    scope.push(' ');
                }
                scope.push_str(&token);
            }
        }
        Ok(ScopeTokens(scope))
    }
}

/// `sub`: a string that is not empty.
pub(super) struct NonEmpty(pub(super) Subject);

impl<'de> Deserialize<'de> for NonEmpty {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| (!text.is_empty()).then(|| Self(text.into()));
        deserializer.deserialize_str(Text("a string that is not empty", read))
    }
}

/// `jti`: the same, but not kept.
pub(super) struct TokenId;

impl<'de> Deserialize<'de> for TokenId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| (!text.is_empty()).then_some(Self);
        deserializer.deserialize_str(Text("a string that is not empty", read))
    }
}

/// `sid`: the canonical text of a session's handle.
pub(super) struct SidClaim(pub(super) SessionHandle);

impl<'de> Deserialize<'de> for SidClaim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| text.parse().ok().map(Self);
        deserializer.deserialize_str(Text("a session's handle", read))
    }
}

/// `exp`, `iat`, `nbf`: seconds since the epoch (RFC 7519 §2), with or without a fraction, as whole milliseconds,
/// rounded down.
pub(super) struct NumericDate(pub(super) Timestamp);

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not `deserialize_any`: where somebody turns on serde_json's `arbitrary_precision`, that one shows numbers
        // as maps.
        deserializer.deserialize_f64(NumericDateVisitor)
    }
}

struct NumericDateVisitor;

impl Visitor<'_> for NumericDateVisitor {
    type Value = NumericDate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("seconds since the epoch")
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<NumericDate, E> {
        let millis = seconds.checked_mul(1000).ok_or_else(|| E::custom("too late a date"))?;
        Ok(NumericDate(Timestamp::from_millis(millis)))
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<NumericDate, E> {
        self.visit_u64(u64::try_from(seconds).map_err(|_| E::custom("a date before the epoch"))?)
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<NumericDate, E> {
        /// 2^64, the first that is too many.
        const LIMIT: f64 = 18_446_744_073_709_551_616.0;
        let millis = seconds * 1000.0;
        if !(0.0..LIMIT).contains(&millis) {
            return Err(E::custom("a date out of range"));
        }
        Ok(NumericDate(Timestamp::from_millis(millis as u64)))
    }
}

/// A string, read with a function that returns `None` for an invalid one.
struct Text<F>(&'static str, F);

impl<F: FnOnce(&str) -> Option<T>, T> Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        let Self(expected, read) = self;
        read(text).ok_or_else(|| E::custom(expected))
    }
}
