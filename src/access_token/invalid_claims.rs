//! Why claims do not fit into an access token.

use std::{error::Error, fmt};

/// Why the claims or the scope that the claims source returned do not fit into an access token.
///
/// The response of a [`Rejection`](crate::Rejection) has it as text, and the event
/// [`InvalidClaims`](crate::event::EventKind::InvalidClaims) by [name](Self::as_str). With the feature `tracing` the event's cause is
/// logged too, such as the claim's name, the lengths, or serde's message without the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidClaimsReason {
    /// A claim has the name of a standard claim.
    ReservedName,
    /// A member occurs twice, or the claims are nested too deep to be read again.
    DuplicateMember,
    /// They are neither a map, a struct nor a unit.
    NotAMap,
    /// `Serialize` failed.
    NotSerializable,
    /// `Deserialize` fails for what `Serialize` wrote, so every request with the token would be rejected.
    NotDeserializable,
    /// `Serialize` or `Deserialize` panicked.
    Panicked,
    /// The scope is malformed (RFC 6749 §3.3).
    InvalidScope,
    /// The subject is empty.
    EmptySubject,
    /// The access token would be longer than its transport allows: 8192 bytes in a header. In a cookie, the token and the cookie's
    /// name together have 4096 bytes (RFC 6265bis §5.6).
    TooLarge,
}

impl InvalidClaimsReason {
    /// The stable name that logs and metrics show.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReservedName => "reserved_name",
            Self::DuplicateMember => "duplicate_member",
            Self::NotAMap => "not_a_map",
            Self::NotSerializable => "not_serializable",
            Self::NotDeserializable => "not_deserializable",
            Self::Panicked => "panicked",
            Self::InvalidScope => "invalid_scope",
            Self::EmptySubject => "empty_subject",
            Self::TooLarge => "too_large",
        }
    }
}

impl fmt::Display for InvalidClaimsReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ReservedName => "a claim has the name of a standard claim",
            Self::DuplicateMember => "they have a duplicate member, or are nested too deep",
            Self::NotAMap => "they are not a map, a struct or `()`",
            Self::NotSerializable => "they cannot be serialised",
            Self::NotDeserializable => "they cannot be deserialised from what they serialise to",
            Self::Panicked => "their `Serialize` or `Deserialize` panicked",
            Self::InvalidScope => "the scope is malformed (RFC 6749, section 3.3)",
            Self::EmptySubject => "the subject is empty",
            Self::TooLarge => "the access token would be too large for a cookie or a header",
        })
    }
}

/// The reason, with its details for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InvalidClaims {
    pub(crate) reason: InvalidClaimsReason,
    details: Option<String>,
}

impl InvalidClaims {
    /// `details` must contain no value of a claim.
    pub(crate) fn with_details(reason: InvalidClaimsReason, details: impl Into<String>) -> Self {
        Self { reason, details: Some(details.into()) }
    }
}

impl From<InvalidClaimsReason> for InvalidClaims {
    fn from(reason: InvalidClaimsReason) -> Self {
        Self { reason, details: None }
    }
}

impl fmt::Display for InvalidClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the claims do not fit into an access token: {}", self.reason)?;
        match &self.details {
            Some(details) => write!(f, ": {details}"),
            None => Ok(()),
        }
    }
}

impl Error for InvalidClaims {}
