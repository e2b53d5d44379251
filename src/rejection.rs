//! Why a request is refused, and the response that says so.
//!
//! A rejection is a problem document (RFC 9457) with the challenge of RFC 6750 §3 where one is due:
//!
//! | kind | status | `WWW-Authenticate` |
//! |---|---|---|
//! | [`Unauthenticated`](RejectionKind::Unauthenticated) | 401 | `Bearer realm="…"` |
//! | [`InvalidTokenReason`](RejectionKind::InvalidToken) | 401 | `… error="invalid_token"` |
//! | [`InvalidRequest`](RejectionKind::InvalidRequest) | 400 | `… error="invalid_request"` |
//! | [`InsufficientScope`](RejectionKind::InsufficientScope) | 403 | `… error="insufficient_scope", scope="…"` |
//! | [`CrossSite`](RejectionKind::CrossSite), [`FromBrowser`](RejectionKind::FromBrowser), [`SubjectGone`](RejectionKind::SubjectGone) | 403 | |
//! | [`SessionNotFound`](RejectionKind::SessionNotFound) | 404 | |
//! | [`Unavailable`](RejectionKind::Unavailable), [`Overtaken`](RejectionKind::Overtaken) | 503, `Retry-After` | |
//! | the others: mistakes of the application | 500 | |
//!
//! The document of a 500 names the mistake; types of the code, which no client should see, only `Display` names.
//!
//! The same [`Rejection`] sits in the response's extensions, for outer layers. Another response can be made from it
//! by [`AuthBuilder::on_rejection`](crate::AuthBuilder::on_rejection).

use std::{error::Error, fmt, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS},
};
use serde::Serialize;

use crate::{scope::is_list, verify::InvalidTokenReason};

/// Why a request is refused.
///
/// With the feature `axum` it is a response; elsewhere [`to_response`](Self::to_response) makes one.
#[derive(Clone)]
pub struct Rejection {
    kind: RejectionKind,
    presentation: Option<Arc<Presentation>>,
}

impl Rejection {
    pub(crate) fn new(kind: RejectionKind, presentation: &Arc<Presentation>) -> Self {
        Self { kind, presentation: Some(presentation.clone()) }
    }

    /// Where no layer is there to ask how to present it.
    pub(crate) fn bare(kind: RejectionKind) -> Self {
        Self { kind, presentation: None }
    }

    /// Why.
    pub fn kind(&self) -> &RejectionKind {
        &self.kind
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        match self.kind {
            RejectionKind::Unauthenticated | RejectionKind::InvalidToken(_) => StatusCode::UNAUTHORIZED,
            RejectionKind::InvalidRequest => StatusCode::BAD_REQUEST,
            RejectionKind::InsufficientScope { .. }
            | RejectionKind::CrossSite
            | RejectionKind::FromBrowser
            | RejectionKind::SubjectGone => StatusCode::FORBIDDEN,
            RejectionKind::SessionNotFound => StatusCode::NOT_FOUND,
            RejectionKind::Unavailable | RejectionKind::Overtaken => StatusCode::SERVICE_UNAVAILABLE,
            RejectionKind::MissingLayer
            | RejectionKind::ClaimsTypeMismatch { .. }
            | RejectionKind::InvalidClaims { .. }
            | RejectionKind::Sealed
            | RejectionKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The response: the application's own if it gave a closure, else the problem document.
    pub fn to_response<B: From<Bytes>>(&self) -> Response<B> {
        let custom = self.presentation.as_ref().and_then(|presentation| presentation.custom.as_ref());
        let mut response = custom.map_or_else(|| self.problem(), |custom| custom(self));
        response.extensions_mut().insert(self.clone());
        response.map(B::from)
    }

    /// The `WWW-Authenticate` field of the response, where one is due (RFC 6750 §3).
    pub fn challenge(&self) -> Option<HeaderValue> {
        let error = self.kind.oauth_error();
        if error.is_none() && self.kind != RejectionKind::Unauthenticated {
            return None;
        }
        let realm = self.presentation.as_ref().map_or("", |presentation| &presentation.realm);
        let mut challenge = format!("Bearer realm=\"{realm}\"");
        if let Some(error) = error {
            challenge += &format!(", error=\"{error}\", error_description=\"{}\"", self.kind);
        }
        // What is no scope a client can do nothing with, and it may have quotes.
        if let RejectionKind::InsufficientScope { scope } = &self.kind
            && is_list(scope)
        {
            challenge += &format!(", scope=\"{scope}\"");
        }
        HeaderValue::try_from(challenge).ok()
    }

    /// Seconds after which the request may be repeated, for 503.
    pub fn retry_after(&self) -> Option<u64> {
        match self.kind {
            RejectionKind::Unavailable => Some(1),
            RejectionKind::Overtaken => Some(0),
            _ => None,
        }
    }

    fn problem(&self) -> Response<Bytes> {
        let status = self.status();
        let problem = Problem {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: self.kind.detail(),
            error: self.kind.oauth_error(),
        };
        let mut response = Response::new(serde_json::to_vec(&problem).unwrap_or_default().into());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(challenge) = self.challenge() {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejection").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl Error for Rejection {}

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for Rejection {
    fn into_response(self) -> axum_core::response::Response {
        self.to_response()
    }
}

/// The kinds of [`Rejection`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectionKind {
    /// Nobody is logged in, and the route needs a user.
    Unauthenticated,
    /// The bearer token does not hold, or has expired and was not refreshed.
    InvalidToken(InvalidTokenReason),
    /// Two `Authorization` fields.
    InvalidRequest,
    /// The user lacks a scope.
    #[non_exhaustive]
    InsufficientScope {
        /// The scope that the route needs.
        scope: Arc<str>,
    },
    /// The request came from another site, so its cookies do not count, and nobody logs in or out by it.
    CrossSite,
    /// [`Session::login_native`](crate::Session::login_native): the request comes from a browser, whose refresh token
    /// belongs into a cookie.
    FromBrowser,
    /// The store or the claims source failed, so the user cannot be told. Nothing was changed.
    Unavailable,
    /// Other requests rotated the session again and again meanwhile. Nothing was changed.
    Overtaken,
    /// [`Session::login`](crate::Session::login): the claims source does not know the subject.
    SubjectGone,
    /// [`Session::end`](crate::Session::end): not a live session of this user.
    SessionNotFound,
    /// The handler is not behind [`Auth::layer`](crate::Auth::layer).
    MissingLayer,
    /// The handler asks for claims of another type than the layer was built with.
    #[non_exhaustive]
    ClaimsTypeMismatch {
        /// The type that the handler asks for.
        asked: &'static str,
        /// The type that the layer was built with.
        built: &'static str,
    },
    /// The claims or the scope that the claims source gave cannot go into an access token.
    #[non_exhaustive]
    InvalidClaims {
        /// What is wrong with them.
        reason: &'static str,
    },
    /// The response has been sent: a [`Session`](crate::Session) can log nobody in or out any more.
    Sealed,
    /// The operating system gave no random numbers, or a key that worked at the start failed.
    Internal,
}

impl RejectionKind {
    /// The error code of RFC 6750 §3.1, where one is due.
    pub fn oauth_error(&self) -> Option<&'static str> {
        match self {
            Self::InvalidToken(_) => Some("invalid_token"),
            Self::InvalidRequest => Some("invalid_request"),
            Self::InsufficientScope { .. } => Some("insufficient_scope"),
            _ => None,
        }
    }

    /// What a client is told: the mistake, but no name of the code behind it, which `Display` says.
    fn detail(&self) -> String {
        match self {
            Self::MissingLayer => "this route is not behind the layer that knows who is logged in".into(),
            Self::ClaimsTypeMismatch { .. } => {
                "this route asks for other claims than its layer was built with".into()
            }
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for RejectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthenticated => f.write_str("log in first"),
            Self::InvalidToken(InvalidTokenReason::Expired) => f.write_str("the access token has expired"),
            Self::InvalidToken(InvalidTokenReason::Revoked) => f.write_str("the access token was revoked"),
            // The exact reason is for the application's logs: it would help nobody but a forger.
            Self::InvalidToken(_) => f.write_str("the access token is invalid"),
            Self::InvalidRequest => f.write_str("more than one Authorization field"),
            Self::InsufficientScope { .. } => f.write_str("the access token lacks a scope"),
            Self::CrossSite => f.write_str("the request came from another site"),
            Self::FromBrowser => f.write_str("browsers log in with cookies"),
            Self::Unavailable => f.write_str("sessions cannot be checked at the moment"),
            Self::Overtaken => f.write_str("the session is being refreshed by other requests"),
            Self::SubjectGone => f.write_str("the user is unknown or disabled"),
            Self::SessionNotFound => f.write_str("no such session"),
            Self::MissingLayer => f.write_str("this route is not behind tower_refresh::RefreshLayer"),
            Self::ClaimsTypeMismatch { asked, built } => write!(
                f,
                "this route asks tower_refresh for claims of type `{asked}`, but the layer was built with `{built}`"
            ),
            Self::InvalidClaims { reason } => {
                write!(f, "the claims cannot go into an access token: {reason}")
            }
            Self::Sealed => f.write_str("the response was sent before the session was changed"),
            Self::Internal => f.write_str("random numbers or a key failed"),
        }
    }
}

/// How rejections of one layer look.
pub(crate) struct Presentation {
    /// Fit for a quoted string.
    pub(crate) realm: String,
    pub(crate) custom: Option<CustomResponse>,
}

pub(crate) type CustomResponse = Box<dyn Fn(&Rejection) -> Response<Bytes> + Send + Sync>;

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}
