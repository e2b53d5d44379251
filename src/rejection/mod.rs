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
//! | [`DeviceBindingRequired`](RejectionKind::DeviceBindingRequired) | 403 | |
//! | [`CrossSite`](RejectionKind::CrossSite), [`FromBrowser`](RejectionKind::FromBrowser), [`SubjectGone`](RejectionKind::SubjectGone) | 403 | |
//! | [`SessionNotFound`](RejectionKind::SessionNotFound) | 404 | |
//! | [`Unavailable`](RejectionKind::Unavailable), [`Overtaken`](RejectionKind::Overtaken), [`DeviceRefreshSkipped`](RejectionKind::DeviceRefreshSkipped) | 503, `Retry-After` | |
//! | all others: mistakes in the application, such as [`InvalidClaims`](RejectionKind::InvalidClaims) | 500 | |
//!
//! The document of a 500 describes the mistake, which is also
//! [reported](crate::event::EventKind::Misconfigured) as an error. Names of types, which no client should see, are in `Display` only.
//!
//! The same [`Rejection`] is in the response's extensions, for outer layers.
//! [`AuthBuilder::on_rejection`](crate::AuthBuilder::on_rejection) replaces the response, and
//! [`AuthBuilder::login_page`](crate::AuthBuilder::login_page) sends people to log in.

mod kind;

use std::{error::Error, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS},
    request::Parts,
};
use serde::Serialize;
use tower_refresh_core::StoreError;

pub use self::kind::{InvalidLoginOptionsReason, RejectionKind};
use crate::{
    access_token::scope,
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
            | RejectionKind::DeviceBindingRequired
            | RejectionKind::CrossSite
            | RejectionKind::FromBrowser
            | RejectionKind::SubjectGone => StatusCode::FORBIDDEN,
            RejectionKind::SessionNotFound => StatusCode::NOT_FOUND,
            RejectionKind::Unavailable | RejectionKind::DeviceRefreshSkipped | RejectionKind::Overtaken => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            RejectionKind::MissingLayer
            | RejectionKind::OtherAuth
            | RejectionKind::NoSessions
            | RejectionKind::ClaimsTypeMismatch { .. }
            | RejectionKind::InvalidClaims { .. }
            | RejectionKind::InvalidLoginOptions { .. }
            | RejectionKind::NoDeviceBinding
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
            // After failures the browser tries again at ever longer intervals.
            RejectionKind::DeviceRefreshSkipped => Some(Duration::from_secs(10)),
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
