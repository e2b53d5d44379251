//! What some kinds of events contain.

use std::fmt;

use crate::{RejectionKind, access_token::InvalidTokenReason};

/// Why a request was rejected.
///
/// Any client can cause these events at any rate, so `tracing` logs them at DEBUG.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionReason {
    /// The bearer token is invalid, so its user is unknown.
    InvalidToken(InvalidTokenReason),
    /// The refresh token is malformed, was modified, or has another key, issuer or transport; or the request has refresh tokens of
    /// two sessions. Such a refresh cookie counts as absent. Many of these events after a change of keys: the old key was
    /// removed too early.
    InvalidRefreshToken,
    /// Two `Authorization` headers.
    InvalidRequest,
    /// A browser requested a login as a native client.
    FromBrowser,
    /// The cookies were ignored, because another site started the request.
    CrossSite,
    /// The user lacks a scope. The event has the user.
    InsufficientScope,
    /// The user logged in too long ago for the route. The event has the user.
    InsufficientUserAuthentication,
    /// The device to which the session is bound gave no proof, or there is none. The event has the user.
    DeviceBindingRequired,
}

impl RejectionReason {
    /// The stable name in logs and metrics: that of the [`InvalidTokenReason`] for an invalid token.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidToken(reason) => reason.as_str(),
            Self::InvalidRefreshToken => "invalid_refresh_token",
            Self::InvalidRequest => "invalid_request",
            Self::FromBrowser => "from_browser",
            Self::CrossSite => "cross_site",
            Self::InsufficientScope => "insufficient_scope",
            Self::InsufficientUserAuthentication => "insufficient_user_authentication",
            Self::DeviceBindingRequired => "device_binding_required",
        }
    }

    pub(crate) fn of(kind: &RejectionKind) -> Option<Self> {
        match kind {
            RejectionKind::InvalidToken(InvalidTokenReason::Expired) => None,
            RejectionKind::InvalidToken(reason) => Some(Self::InvalidToken(*reason)),
            RejectionKind::InvalidRequest => Some(Self::InvalidRequest),
            RejectionKind::FromBrowser => Some(Self::FromBrowser),
            RejectionKind::CrossSite => Some(Self::CrossSite),
            RejectionKind::InsufficientScope { .. } => Some(Self::InsufficientScope),
            RejectionKind::InsufficientUserAuthentication { .. } => {
                Some(Self::InsufficientUserAuthentication)
            }
            RejectionKind::DeviceBindingRequired => Some(Self::DeviceBindingRequired),
            _ => None,
        }
    }
}

/// A mistake in the application. The client receives it as a 500 whose detail names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Misconfiguration {
    /// [`RejectionKind::MissingLayer`]: the route is not behind the layer. There is no [`Auth`](crate::Auth) then, so
    /// [`AuthBuilder::on_event`](crate::AuthBuilder::on_event) does not receive it: only `tracing` and `metrics` do.
    MissingLayer,
    /// [`RejectionKind::OtherAuth`]: the route belongs to another [`Auth`](crate::Auth) than the layer.
    OtherAuth,
    /// [`RejectionKind::ClaimsTypeMismatch`]: the handler requests claims of another type than the layer was built with.
    ClaimsTypeMismatch,
    /// [`RejectionKind::InvalidLoginOptions`]: a handler passed login options that are invalid.
    InvalidLoginOptions,
    /// [`RejectionKind::NoSessions`]: a handler requests a [`Session`](crate::Session) behind a [`Verifier`](crate::Verifier).
    NoSessions,
    /// [`RejectionKind::NoDeviceBinding`]: a handler registers or refreshes a device without the setting.
    NoDeviceBinding,
    /// [`RejectionKind::Sealed`]: a handler changed the session after the response head was ready.
    Sealed,
}

impl Misconfiguration {
    /// The stable name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingLayer => "missing_layer",
            Self::OtherAuth => "other_auth",
            Self::ClaimsTypeMismatch => "claims_type_mismatch",
            Self::InvalidLoginOptions => "invalid_login_options",
            Self::NoSessions => "no_sessions",
            Self::NoDeviceBinding => "no_device_binding",
            Self::Sealed => "sealed",
        }
    }

    pub(crate) const fn of(kind: &RejectionKind) -> Option<Self> {
        match kind {
            RejectionKind::MissingLayer => Some(Self::MissingLayer),
            RejectionKind::OtherAuth => Some(Self::OtherAuth),
            RejectionKind::ClaimsTypeMismatch { .. } => Some(Self::ClaimsTypeMismatch),
            RejectionKind::InvalidLoginOptions { .. } => Some(Self::InvalidLoginOptions),
            RejectionKind::NoSessions => Some(Self::NoSessions),
            RejectionKind::NoDeviceBinding => Some(Self::NoDeviceBinding),
            RejectionKind::Sealed => Some(Self::Sealed),
            _ => None,
        }
    }
}

/// Why a [`Verifier`](crate::Verifier) could not fetch the issuer's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JwksFailure {
    /// The closure of [`VerifierBuilder::jwks`](crate::VerifierBuilder::jwks) returned an error, which the log has.
    FetchFailed,
    /// The closure took longer than [`VerifierBuilder::fetch_timeout`](crate::VerifierBuilder::fetch_timeout), and was dropped.
    TimedOut,
    /// The closure panicked.
    Panicked,
    /// The document has more than 64 KiB.
    TooLarge,
    /// The document is not a JWK set (RFC 7517 §5): no JSON, a duplicate member, or no array `keys`.
    Malformed,
    /// The set has more than 64 keys.
    TooManyKeys,
    /// No key of the set can be used: see [`VerifierBuilder::jwks`](crate::VerifierBuilder::jwks).
    NoUsableKey,
}

impl JwksFailure {
    /// The stable name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FetchFailed => "fetch_failed",
            Self::TimedOut => "timed_out",
            Self::Panicked => "panicked",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::TooManyKeys => "too_many_keys",
            Self::NoUsableKey => "no_usable_key",
        }
    }
}

impl fmt::Display for JwksFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::FetchFailed => "the closure returned an error",
            Self::TimedOut => "the closure took too long",
            Self::Panicked => "the closure panicked",
            Self::TooLarge => "the document has more than 64 KiB",
            Self::Malformed => "the document is not a JWK set",
            Self::TooManyKeys => "the set has more than 64 keys",
            Self::NoUsableKey => "the set has no usable key",
        })
    }
}

/// How two clients differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientDifference {
    /// In the address: of IPv6, in the first 64 bits. Networks that change, and relays that use several addresses, explain it.
    Ip,
    /// In the `User-Agent`. Browsers change theirs at a restart, and not within seconds; a server that forwards the cookies of
    /// its users to this one sends its own.
    UserAgent,
    /// In both.
    Both,
}

impl ClientDifference {
    /// The stable name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::UserAgent => "user_agent",
            Self::Both => "ip_and_user_agent",
        }
    }
}

impl fmt::Display for RejectionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Misconfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for ClientDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
