//! The reasons of rejections.

use std::{fmt, sync::Arc, time::Duration};

#[cfg(doc)]
use super::Rejection;
use crate::access_token::{InvalidClaimsReason, InvalidTokenReason};

/// The reason of a [`Rejection`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectionKind {
    /// The request is anonymous, and the route needs a user.
    Unauthenticated,
    /// The request is anonymous, and the route needs a user: [`AuthBuilder::assess`](crate::AuthBuilder::assess) answered its
    /// refresh with [`Assessment::RequireLogin`](crate::Assessment::RequireLogin). Nothing was changed.
    #[non_exhaustive]
    LoginRequired {
        /// Whether the request has an expired bearer token, so that the challenge has an error code (RFC 6750 §3.1). Such a request
        /// is rejected also where a user is optional.
        expired_bearer: bool,
    },
    /// The bearer token is invalid, or has expired and was not refreshed. If it is not one of ours, and the request has the layer's
    /// cookies, the problem document names [`access_header(false)`](crate::AuthBuilder::access_header).
    InvalidToken(InvalidTokenReason),
    /// The request has two `Authorization` headers.
    InvalidRequest,
    /// The user lacks a scope.
    #[non_exhaustive]
    InsufficientScope {
        /// The scope that the route needs.
        scope: Arc<str>,
    },
    /// The user logged in too long ago for this route (RFC 9470). [`Session::reauthenticate`](crate::Session::reauthenticate) makes
    /// the login recent again.
    #[non_exhaustive]
    InsufficientUserAuthentication {
        /// How long ago the user may have logged in.
        max_age: Duration,
    },
    /// The route needs a session that is bound to a device, and the device gave no proof for the user's access token:
    /// [`Auth::require_device_binding`](crate::Auth::require_device_binding).
    DeviceBindingRequired,
    /// The request is anonymous, and the route needs a user: its session is bound to a device, and the browser says that it could not refresh
    /// the session (`Secure-Session-Skipped`). The session goes on, so the user need not log in. Nothing was changed.
    DeviceRefreshSkipped,
    /// Another site started the request, so its cookies do not count, and it cannot log in or out.
    CrossSite,
    /// [`Session::login_native`](crate::Session::login_native): the request comes from a browser, which must keep its refresh
    /// token in a cookie.
    FromBrowser,
    /// The store or the claims source failed, so the user cannot be identified. Nothing was changed. Behind a
    /// [`Verifier`](crate::Verifier): there are no keys yet, or no longer.
    Unavailable,
    /// Other requests kept rotating the session meanwhile, and a second later the browser has its newest token. Or the refresh
    /// token is overdue, and no late budget is left. Nothing was changed.
    Overtaken,
    /// [`Session::login`](crate::Session::login): the claims source returned `None` for the subject. Answer it as a wrong
    /// password; otherwise the response shows which users exist.
    SubjectGone,
    /// [`Session::end`](crate::Session::end): the user has no such live session. [`Session::list`](crate::Session::list): the user
    /// has no session after which the page could begin.
    SessionNotFound,
    /// `GET /auth/sessions`: the parameter `after` is not a session handle.
    InvalidParameter,
    /// The handler is not behind [`Auth::layer`](crate::Auth::layer) or [`Verifier::layer`](crate::Verifier::layer).
    MissingLayer,
    /// The route belongs to another [`Auth`](crate::Auth) than the layer that it is behind: an application with two of them has
    /// confused their layers or routes.
    OtherAuth,
    /// The handler requests a [`Session`](crate::Session), but a [`Verifier`](crate::Verifier) has no sessions.
    NoSessions,
    /// The handler requests claims of another type than the layer was built with.
    #[non_exhaustive]
    ClaimsTypeMismatch {
        /// The type that the handler requests.
        requested: &'static str,
        /// The type that the layer was built with.
        configured: &'static str,
    },
    /// The claims or the scope from the claims source do not fit into an access token, at a login or at a refresh. Nothing was
    /// changed: the session goes on as soon as they fit.
    #[non_exhaustive]
    InvalidClaims {
        /// What is wrong.
        reason: InvalidClaimsReason,
    },
    /// [`Session::login_with`](crate::Session::login_with): the options are invalid. No session was started, and the client's former
    /// session stays live. A handler whose clients choose the options answers with its own 400.
    #[non_exhaustive]
    InvalidLoginOptions {
        /// What is wrong.
        reason: InvalidLoginOptionsReason,
    },
    /// [`Session::register_device`](crate::Session::register_device), [`Session::refresh_device`](crate::Session::refresh_device):
    /// sessions are not bound to devices.
    NoDeviceBinding,
    /// The [`Session`](crate::Session) can no longer be changed: the response head is ready.
    Sealed,
    /// The operating system provided no random bytes, or a key failed that worked at start.
    Internal,
}

impl RejectionKind {
    /// The error code (RFC 6750 §3.1, RFC 9470 §3), where one applies.
    pub fn oauth_error(&self) -> Option<&'static str> {
        match self {
            Self::InvalidToken(_) | Self::LoginRequired { expired_bearer: true } => Some("invalid_token"),
            Self::InvalidRequest => Some("invalid_request"),
            Self::InsufficientScope { .. } => Some("insufficient_scope"),
            Self::InsufficientUserAuthentication { .. } => Some("insufficient_user_authentication"),
            _ => None,
        }
    }

    /// The detail for clients: as `Display`, without names of types.
    pub(super) fn detail(&self) -> String {
        match self {
            Self::MissingLayer => "this route is not behind the authentication layer".into(),
            Self::OtherAuth => "this route is behind the authentication layer of another part".into(),
            Self::NoSessions => "this route requests a session, but this service only verifies tokens".into(),
            Self::ClaimsTypeMismatch { .. } => {
                "this route requests other claims than the authentication layer provides".into()
            }
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for RejectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthenticated => f.write_str("authentication required"),
            Self::LoginRequired { .. } => f.write_str("the user must log in again"),
            Self::InvalidToken(InvalidTokenReason::Expired) => f.write_str("the access token has expired"),
            Self::InvalidToken(InvalidTokenReason::Revoked) => f.write_str("the access token was revoked"),
            // The exact reason is for the application's logs: it would only help a forger.
            Self::InvalidToken(_) => f.write_str("the access token is invalid"),
            Self::InvalidRequest => f.write_str("more than one Authorization header"),
            Self::InsufficientScope { .. } => f.write_str("the access token lacks a required scope"),
            Self::InsufficientUserAuthentication { .. } => {
                f.write_str("more recent authentication is required")
            }
            Self::DeviceBindingRequired => f.write_str("a session that is bound to this device is required"),
            Self::DeviceRefreshSkipped => {
                f.write_str("the browser could not refresh the session that is bound to this device")
            }
            Self::CrossSite => f.write_str("the request was started by another site"),
            Self::FromBrowser => f.write_str("browsers must log in with cookies"),
            Self::Unavailable => f.write_str("credentials cannot be checked at the moment"),
            Self::Overtaken => f.write_str("other requests are refreshing the session"),
            Self::SubjectGone => f.write_str("the user is unknown or disabled"),
            Self::SessionNotFound => f.write_str("no such session"),
            Self::InvalidParameter => f.write_str("the parameter `after` is not a session handle"),
            Self::MissingLayer => {
                f.write_str("this route is not behind tower_refresh::RefreshLayer or VerifyLayer")
            }
            Self::OtherAuth => {
                f.write_str("this route is behind the layer of another tower_refresh::Auth or Verifier")
            }
            Self::NoSessions => {
                f.write_str("this route requests a session, but tower_refresh::Verifier only verifies tokens")
            }
            Self::ClaimsTypeMismatch { requested, configured } => write!(
                f,
                "this route requests claims of type `{requested}`, but its layer was built with `{configured}`"
            ),
            Self::InvalidClaims { reason } => {
                write!(f, "the claims do not fit into an access token: {reason}")
            }
            Self::InvalidLoginOptions { reason } => write!(f, "invalid login options: {reason}"),
            Self::NoDeviceBinding => f.write_str(
                "this route is for device-bound sessions, and the setting `device_binding` is missing",
            ),
            Self::Sealed => f.write_str("the session can no longer be changed: the response head is ready"),
            Self::Internal => f.write_str("internal cryptographic error"),
        }
    }
}

/// What is wrong with [`LoginOptions`](crate::LoginOptions).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidLoginOptionsReason {
    /// The idle lifetime is shorter than 1 s.
    IdleTooShort,
    /// The absolute lifetime is shorter than 1 s.
    AbsoluteTooShort,
    /// The absolute lifetime is longer than 400 days, for which browsers keep a cookie; for a native client, than ten years.
    AbsoluteTooLong,
}

impl fmt::Display for InvalidLoginOptionsReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IdleTooShort => "the idle lifetime must be at least 1 s",
            Self::AbsoluteTooShort => "the absolute lifetime must be at least 1 s",
            Self::AbsoluteTooLong => {
                "the absolute lifetime must be at most 400 days, or ten years for a native client"
            }
        })
    }
}
