//! Why a request is rejected, and the response for it.
//!
//! The response is a problem document (RFC 9457), with a challenge (RFC 6750 §3) where one applies:
//!
//! | kind | status | `WWW-Authenticate` |
//! |---|---|---|
//! | [`Unauthenticated`](RejectionKind::Unauthenticated) | 401 | `Bearer realm="…"` |
//! | [`LoginRequired`](RejectionKind::LoginRequired) | 401 | the same; with an expired bearer token `… error="invalid_token"` |
//! | [`InvalidToken`](RejectionKind::InvalidToken) | 401 | `… error="invalid_token"` |
//! | [`InvalidRequest`](RejectionKind::InvalidRequest) | 400 | `… error="invalid_request"` |
//! | [`InvalidParameter`](RejectionKind::InvalidParameter) | 400 | |
//! | [`InsufficientScope`](RejectionKind::InsufficientScope) | 403 | `… error="insufficient_scope", scope="…"` |
//! | [`InsufficientUserAuthentication`](RejectionKind::InsufficientUserAuthentication) | 401 | `… error="insufficient_user_authentication", max_age="…"` (RFC 9470) |
//! | [`CrossSite`](RejectionKind::CrossSite), [`FromBrowser`](RejectionKind::FromBrowser), [`SubjectGone`](RejectionKind::SubjectGone) | 403 | |
//! | [`SessionNotFound`](RejectionKind::SessionNotFound) | 404 | |
//! | [`Unavailable`](RejectionKind::Unavailable), [`Overtaken`](RejectionKind::Overtaken) | 503, `Retry-After` | |
//! | all others: mistakes in the application, such as [`InvalidClaims`](RejectionKind::InvalidClaims) | 500 | |
//!
//! The document of a 500 describes the mistake, which is also
//! [reported](crate::event::EventKind::Misconfigured) as an error. Names of types, which no client should see, are in `Display` only.
//!
//! The same [`Rejection`] is in the response's extensions, for outer layers.
//! [`AuthBuilder::on_rejection`](crate::AuthBuilder::on_rejection) replaces the response, and
//! [`AuthBuilder::login_page`](crate::AuthBuilder::login_page) sends people to log in.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS},
    request::Parts,
};
use serde::Serialize;
use tower_refresh_core::StoreError;

use crate::{
    access_token::{InvalidClaimsReason, InvalidTokenReason, scope},
    login_page::{LoginPage, Remedy},
};

/// Platforms such as Cloud Run pass their own token on in this header.
const BEARER_BESIDE_COOKIES: &str = "the access token in the Authorization header is invalid, so the cookies do not count; if a \
                                     proxy or platform adds this header, the service needs `access_header(false)`";

/// Why a request is rejected.
///
/// With the feature `axum` it implements `IntoResponse`; without it, use [`to_response`](Self::to_response). `IntoResponse` knows the
/// request of a rejection that an extractor has made, or a [`Session`](crate::Session) that was extracted. All others are answered
/// with the problem document, so pass the request to `to_response`, or extract instead.
#[derive(Clone)]
pub struct Rejection {
    kind: RejectionKind,
    presentation: Option<Arc<Presentation>>,
    /// The request has cookies of the layer, which a bearer token of another issuer keeps from counting.
    has_unused_cookies: bool,
    /// For a request that is anonymous, or whose user authenticated too long ago.
    remedy: Option<Remedy>,
    #[cfg(feature = "axum")]
    request: Option<Arc<Parts>>,
}

impl Rejection {
    pub(crate) fn new(kind: RejectionKind, presentation: &Arc<Presentation>) -> Self {
        Self { presentation: Some(presentation.clone()), ..Self::without_presentation(kind) }
    }

    pub(crate) fn with_unused_cookies(self) -> Self {
        Self { has_unused_cookies: true, ..self }
    }

    pub(crate) fn with_remedy(self, remedy: Option<Remedy>) -> Self {
        Self { remedy, ..self }
    }

    /// The same, with no way to a login page.
    pub(crate) fn without_login(self) -> Self {
        let remedy = self.remedy.filter(|remedy| *remedy == Remedy::Reauthentication);
        Self { remedy, ..self }
    }

    /// For `IntoResponse`, which does not receive the request.
    #[cfg(feature = "axum")]
    pub(crate) fn with_request(self, request: &Arc<Parts>) -> Self {
        Self { request: Some(request.clone()), ..self }
    }

    /// As [`with_request`](Self::with_request), if the response depends on the request.
    #[cfg(feature = "axum")]
    pub(crate) fn with_copy_of(self, request: &Parts) -> Self {
        let is_needed = self.presentation.as_ref().is_some_and(|presentation| presentation.needs_request());
        if is_needed { self.with_request(&Arc::new(request.clone())) } else { self }
    }

    /// For a request that has not passed the layer, which has the presentation.
    pub(crate) fn without_presentation(kind: RejectionKind) -> Self {
        Self {
            kind,
            presentation: None,
            has_unused_cookies: false,
            remedy: None,
            #[cfg(feature = "axum")]
            request: None,
        }
    }

    /// The reason.
    pub fn kind(&self) -> &RejectionKind {
        &self.kind
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        match self.kind {
            RejectionKind::Unauthenticated
            | RejectionKind::LoginRequired { .. }
            | RejectionKind::InvalidToken(_)
            | RejectionKind::InsufficientUserAuthentication { .. } => StatusCode::UNAUTHORIZED,
            RejectionKind::InvalidRequest | RejectionKind::InvalidParameter => StatusCode::BAD_REQUEST,
            RejectionKind::InsufficientScope { .. }
            | RejectionKind::CrossSite
            | RejectionKind::FromBrowser
            | RejectionKind::SubjectGone => StatusCode::FORBIDDEN,
            RejectionKind::SessionNotFound => StatusCode::NOT_FOUND,
            RejectionKind::Unavailable | RejectionKind::Overtaken => StatusCode::SERVICE_UNAVAILABLE,
            RejectionKind::MissingLayer
            | RejectionKind::OtherAuth
            | RejectionKind::ClaimsTypeMismatch { .. }
            | RejectionKind::InvalidClaims { .. }
            | RejectionKind::InvalidLoginOptions { .. }
            | RejectionKind::Sealed
            | RejectionKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The response to `request`: the way to the [login page](crate::AuthBuilder::login_page) for a person who must log in, else
    /// what the application's [closure](crate::AuthBuilder::on_rejection) returns if there is one, else the problem document.
    ///
    /// `request` is the rejected request, as the service received it: take its parts before its body is read.
    pub fn to_response<B: From<Bytes>>(&self, request: &Parts) -> Response<B> {
        self.respond(Some(request)).map(B::from)
    }

    /// The way to the login page `page`, for a person who must log in there.
    pub(crate) fn lead_to_login(&self, page: &LoginPage, request: &Parts) -> Option<Response<Bytes>> {
        let remedy = self.remedy.filter(|remedy| *remedy != Remedy::Reauthentication)?;
        page.lead(request, remedy)
    }

    /// The way to `page`, for a person who must authenticate again there.
    pub(crate) fn lead_to_reauthentication(
        &self,
        page: &LoginPage,
        request: &Parts,
    ) -> Option<Response<Bytes>> {
        let remedy = self.remedy.filter(|remedy| *remedy == Remedy::Reauthentication)?;
        page.lead(request, remedy)
    }

    fn respond(&self, request: Option<&Parts>) -> Response<Bytes> {
        let custom = self.presentation.as_ref().zip(request).and_then(|(presentation, request)| {
            let way = presentation.login_page.as_ref().and_then(|page| self.lead_to_login(page, request));
            way.or_else(|| presentation.custom.as_ref().map(|custom| custom(self, request)))
        });
        let mut response = custom.unwrap_or_else(|| self.problem());
        response.extensions_mut().insert(self.clone());
        response
    }

    /// The `WWW-Authenticate` header of the response, where one applies (RFC 6750 §3, RFC 9470 §3).
    pub fn challenge(&self) -> Option<HeaderValue> {
        let error = self.kind.oauth_error();
        let is_bare =
            matches!(self.kind, RejectionKind::Unauthenticated | RejectionKind::LoginRequired { .. });
        if error.is_none() && !is_bare {
            return None;
        }
        let realm = self.presentation.as_ref().map_or("", |presentation| &presentation.realm);
        let mut challenge = format!("Bearer realm=\"{realm}\"");
        if let Some(error) = error {
            challenge += &format!(", error=\"{error}\", error_description=\"{}\"", self.kind);
        }
        // A malformed scope is of no use to a client, and may contain quotes.
        if let RejectionKind::InsufficientScope { scope } = &self.kind
            && scope::is_valid(scope)
        {
            challenge += &format!(", scope=\"{scope}\"");
        }
        // In quotes, as in the examples of RFC 9470 §3; by RFC 9110 §11.2 the same as without.
        if let RejectionKind::InsufficientUserAuthentication { max_age } = &self.kind {
            challenge += &format!(", max_age=\"{}\"", max_age.as_secs());
        }
        HeaderValue::try_from(challenge).ok()
    }

    /// The time after which the client may repeat the request, for 503: `Retry-After`, in whole seconds.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            RejectionKind::Unavailable | RejectionKind::Overtaken => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    fn detail(&self) -> String {
        if self.has_unused_cookies { BEARER_BESIDE_COOKIES.to_owned() } else { self.kind.detail() }
    }

    fn problem(&self) -> Response<Bytes> {
        let status = self.status();
        let problem = Problem {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: self.detail(),
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
        if let Some(delay) = self.retry_after() {
            headers.insert(RETRY_AFTER, delay.as_secs().into());
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

/// [`RejectionKind::Unavailable`], for a handler that calls [`Auth`](crate::Auth) and returns its failure with `?`. The failure has
/// been reported. The response is the problem document: [`AuthBuilder::on_rejection`](crate::AuthBuilder::on_rejection) does not
/// replace it.
impl From<StoreError> for Rejection {
    fn from(_: StoreError) -> Self {
        Self::without_presentation(RejectionKind::Unavailable)
    }
}

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for Rejection {
    fn into_response(self) -> axum_core::response::Response {
        self.respond(self.request.as_deref()).map(axum_core::body::Body::from)
    }
}

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
    /// Another site started the request, so its cookies do not count, and it cannot log in or out.
    CrossSite,
    /// [`Session::login_native`](crate::Session::login_native): the request comes from a browser, which must keep its refresh
    /// token in a cookie.
    FromBrowser,
    /// The store or the claims source failed, so the user cannot be identified. Nothing was changed.
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
    /// The handler is not behind [`Auth::layer`](crate::Auth::layer).
    MissingLayer,
    /// The route belongs to another [`Auth`](crate::Auth) than the layer that it is behind: an application with two of them has
    /// confused their layers or routes.
    OtherAuth,
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
    fn detail(&self) -> String {
        match self {
            Self::MissingLayer => "this route is not behind the authentication layer".into(),
            Self::OtherAuth => "this route is behind the authentication layer of another part".into(),
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
            Self::CrossSite => f.write_str("the request was started by another site"),
            Self::FromBrowser => f.write_str("browsers must log in with cookies"),
            Self::Unavailable => f.write_str("sessions cannot be checked at the moment"),
            Self::Overtaken => f.write_str("other requests are refreshing the session"),
            Self::SubjectGone => f.write_str("the user is unknown or disabled"),
            Self::SessionNotFound => f.write_str("no such session"),
            Self::InvalidParameter => f.write_str("the parameter `after` is not a session handle"),
            Self::MissingLayer => f.write_str("this route is not behind tower_refresh::RefreshLayer"),
            Self::OtherAuth => f.write_str(
                "this route is behind the tower_refresh::RefreshLayer of another tower_refresh::Auth",
            ),
            Self::ClaimsTypeMismatch { requested, configured } => write!(
                f,
                "this route requests claims of type `{requested}`, but tower_refresh::RefreshLayer was built with `{configured}`"
            ),
            Self::InvalidClaims { reason } => {
                write!(f, "the claims do not fit into an access token: {reason}")
            }
            Self::InvalidLoginOptions { reason } => write!(f, "invalid login options: {reason}"),
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

/// How the rejections of one layer are presented.
pub(crate) struct Presentation {
    /// Escaped for a quoted string.
    pub(crate) realm: String,
    pub(crate) custom: Option<CustomResponse>,
    pub(crate) login_page: Option<LoginPage>,
}

pub(crate) type CustomResponse = Box<dyn Fn(&Rejection, &Parts) -> Response<Bytes> + Send + Sync>;

#[cfg(feature = "axum")]
impl Presentation {
    /// Whether responses depend on the request.
    pub(crate) fn needs_request(&self) -> bool {
        self.custom.is_some() || self.login_page.is_some()
    }
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}
