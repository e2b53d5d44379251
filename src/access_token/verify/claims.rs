//! The claims: ours are taken and judged, the rest becomes the application's type, in one pass and with no buffer.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserializer,
    de::{DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};
use serde_json::error::Category;
use tower_refresh_core::{SessionHandle, Subject, Timestamp};

use super::{
    AccessToken, Expected, InvalidTokenReason,
    custom::CustomDeserializer,
    duplicates::{self, Names},
    values::{HasAudience, Is, NonEmpty, NumericDate, SidClaim, TokenId},
};

/// Reads the claims of a payload. Every reason to refuse it but its age is found here. A member that occurs twice is the first
/// reason, whatever else is wrong.
pub(super) fn read<C: DeserializeOwned>(
    payload: &str,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<AccessToken<C>, InvalidTokenReason> {
    let mut standard = Standard::default();
    let custom = pass::<C>(payload, expected, &mut standard);
    if custom.is_err() || !standard.names.differ() || !duplicates::is_flat(payload) {
        duplicates::refuse(payload)?;
    }
    let custom = match custom {
        Ok(custom) => Some(custom),
        Err(_) => {
            // The pass ended midway, at one of our claims or in `C`. A second one without `C` tells which, and finds
            // the claims that come later: the reason must not depend on the order of the members.
            standard = Standard::default();
            pass::<IgnoredAny>(payload, expected, &mut standard).map_err(|error| match error.classify() {
                Category::Data => InvalidTokenReason::BadClaims,
                Category::Syntax | Category::Eof | Category::Io => InvalidTokenReason::Malformed,
            })?;
            None
        }
    };
    standard.judge(now, custom)
}

fn pass<C: DeserializeOwned>(
    payload: &str,
    expected: &Expected<'_>,
    standard: &mut Standard,
) -> Result<C, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(payload);
    let custom = deserializer.deserialize_map(ClaimsVisitor { expected, standard, custom: PhantomData })?;
    deserializer.end()?;
    Ok(custom)
}

struct ClaimsVisitor<'a, C> {
    expected: &'a Expected<'a>,
    standard: &'a mut Standard,
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

/// The members of the payload, as seen by `C`: the standard ones are taken out on the way.
pub(super) struct Members<'a, 'de, A> {
    map: A,
    expected: &'a Expected<'a>,
    standard: &'a mut Standard,
    peeked: Option<Cow<'de, str>>,
}

impl<'de, A: MapAccess<'de>> Members<'_, 'de, A> {
    /// The name of the next custom member.
    pub(super) fn next_name(&mut self) -> Result<Option<Cow<'de, str>>, A::Error> {
        if let Some(name) = self.peeked.take() {
            return Ok(Some(name));
        }
        while let Some(name) = self.map.next_key_seed(Name)? {
            match Claim::named(&name) {
                Some(claim) => self.standard.take(claim, &mut self.map, self.expected)?,
                None => {
                    self.standard.names.add_other(&name);
                    return Ok(Some(name));
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

    /// Reads on to the end, for a `C` that did not want to see all.
    pub(super) fn skip_rest(&mut self) -> Result<(), A::Error> {
        while self.next_name()?.is_some() {
            self.map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// A member's name after its escapes, borrowed where it has none.
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

/// The standard claims. An application's type must not have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    Issuer,
    Audience,
    Subject,
    ExpiresAt,
    NotBefore,
    IssuedAt,
    TokenId,
    Session,
    Scope,
}

impl Claim {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "iss" => Some(Self::Issuer),
            "aud" => Some(Self::Audience),
            "sub" => Some(Self::Subject),
            "exp" => Some(Self::ExpiresAt),
            "nbf" => Some(Self::NotBefore),
            "iat" => Some(Self::IssuedAt),
            "jti" => Some(Self::TokenId),
            "sid" => Some(Self::Session),
            "scope" => Some(Self::Scope),
            _ => None,
        }
    }
}

/// The standard claims as far as they were read.
#[derive(Default)]
pub(super) struct Standard {
    issuer: Option<bool>,
    audience: Option<bool>,
    subject: Option<String>,
    expires_at: Option<Timestamp>,
    not_before: Option<Timestamp>,
    issued_at: Option<Timestamp>,
    token_id: Option<TokenId>,
    session: Option<SessionHandle>,
    scope: Option<String>,
    names: Names,
}

impl Standard {
    fn take<'de, A: MapAccess<'de>>(
        &mut self,
        claim: Claim,
        map: &mut A,
        expected: &Expected<'_>,
    ) -> Result<(), A::Error> {
        self.names.add_claim(claim);
        match claim {
            Claim::Issuer => self.issuer = Some(map.next_value_seed(Is(expected.issuer))?),
            Claim::Audience => self.audience = Some(map.next_value_seed(HasAudience(expected.audience))?),
            Claim::Subject => self.subject = Some(map.next_value::<NonEmpty>()?.0),
            Claim::ExpiresAt => self.expires_at = Some(map.next_value::<NumericDate>()?.0),
            Claim::NotBefore => self.not_before = Some(map.next_value::<NumericDate>()?.0),
            Claim::IssuedAt => self.issued_at = Some(map.next_value::<NumericDate>()?.0),
            Claim::TokenId => self.token_id = Some(map.next_value()?),
            Claim::Session => self.session = Some(map.next_value::<SidClaim>()?.0),
            Claim::Scope => self.scope = Some(map.next_value()?),
        }
        Ok(())
    }

    /// The claims, if they are all there and none is wrong. An `iat` in the future is none of our business: it
    /// extends nothing, and servers' clocks differ.
    fn judge<C>(self, now: Timestamp, custom: Option<C>) -> Result<AccessToken<C>, InvalidTokenReason> {
        let Self {
            issuer: Some(issuer),
            audience: Some(audience),
            subject: Some(subject),
            expires_at: Some(expires_at),
            not_before,
            issued_at: Some(issued_at),
            token_id: Some(TokenId),
            session: Some(session),
            scope,
            names: _,
        } = self
        else {
            return Err(InvalidTokenReason::BadClaims);
        };
        if !issuer {
            return Err(InvalidTokenReason::WrongIssuer);
        }
        if !audience {
            return Err(InvalidTokenReason::WrongAudience);
        }
        if not_before.is_some_and(|not_before| not_before > now) {
            return Err(InvalidTokenReason::NotYetValid);
        }
        let custom = custom.ok_or(InvalidTokenReason::BadCustomClaims)?;
        let subject = Subject::from(subject);
        let scope = scope.unwrap_or_default();
        Ok(AccessToken { subject, session, scope, issued_at, expires_at, not_before, custom })
    }
}
