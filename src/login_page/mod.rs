//! The way of a person to the login page and back.

mod next;
mod percent;

use std::{error::Error, fmt, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode, Uri,
    header::{
        ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, LOCATION, REFERER,
        REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
    },
    request::Parts,
};

pub use self::next::safe_next;
use self::percent::encode;

/// The response differs for people and programs, and with their credentials.
const VARIES_BY: &str = "Accept, Authorization, Cookie, Sec-Fetch-Mode, Sec-Fetch-Site";

/// Without a script and a style, so that it works with every content security policy.
const REPEAT: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
                      <meta http-equiv=\"refresh\" content=\"0\">\n<title>One moment</title>\n\
                      <p><a href=\"\">Continue</a></p>\n";

/// What lets a person in whose request was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    Login,
    /// Another site started the navigation, so nothing was changed for it. A request of our own may have a user.
    Repetition,
    /// The user is logged in, but authenticated too long ago.
    Reauthentication,
}

/// A page of the application where people log in, or authenticate again.
#[derive(Clone, Debug)]
pub(crate) struct LoginPage {
    /// With the query, to which a parameter can be appended.
    path: Arc<str>,
}

impl LoginPage {
    /// # Errors
    /// If `path` is not a path of our own, with or without a query, or if its query has a parameter `next`.
    pub(crate) fn new(path: String) -> Result<Self, InvalidLoginPage> {
        let query = path.split_once('?').map_or("", |(_, query)| query);
        let has_next = query.split('&').any(|pair| pair.split('=').next() == Some("next"));
        if has_next || safe_next(&path).is_none() {
            return Err(InvalidLoginPage { path });
        }
        Ok(Self { path: path.into() })
    }

    /// The response that leads the person who waits for this request to this page; `None` for programs.
    pub(crate) fn lead(&self, request: &Parts, remedy: Remedy) -> Option<Response<Bytes>> {
        let uri = original_uri(request);
        if !is_for_a_person(request) || uri.path() == self.path() {
            return None;
        }
        match remedy {
            Remedy::Repetition if !has_own_referer(request) => Some(repeat()),
            Remedy::Repetition | Remedy::Login | Remedy::Reauthentication => self.redirect(uri),
        }
    }

    fn path(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    fn redirect(&self, from: &Uri) -> Option<Response<Bytes>> {
        let mut location = self.path.to_string();
        if let Some(next) = from.path_and_query().and_then(|next| safe_next(next.as_str())) {
            location += match location.as_bytes().last() {
                Some(b'?' | b'&') => "",
                _ if location.contains('?') => "&",
                _ => "?",
            };
            location += "next=";
            location += &encode(next);
        }
        let location = HeaderValue::try_from(location).ok()?;
        let mut response = uncached(StatusCode::SEE_OTHER, Bytes::new());
        response.headers_mut().insert(LOCATION, location);
        Some(response)
    }
}

/// A path that cannot be that of a login page: [`AuthBuilder::login_page`](crate::AuthBuilder::login_page),
/// [`RequireAuthLayer::login_page`](crate::middleware::RequireAuthLayer::login_page) and
/// [`reauthenticate_page`](crate::middleware::RequireAuthLayer::reauthenticate_page) need what [`safe_next`] accepts, without a
/// parameter `next`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidLoginPage {
    /// The text that is not such a path.
    pub path: String,
}

impl fmt::Display for InvalidLoginPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a path such as /login, without a parameter `next`", self.path)
    }
}

impl Error for InvalidLoginPage {}

/// The address that the client requested: routers of axum remove the prefix of a nested router.
fn original_uri(request: &Parts) -> &Uri {
    #[cfg(feature = "axum")]
    if let Some(axum::extract::OriginalUri(uri)) = request.extensions.get() {
        return uri;
    }
    &request.uri
}

/// Whether the response is shown to a person, who can log in there, and not read by a program or a script.
fn is_for_a_person(request: &Parts) -> bool {
    let is_read = request.method == Method::GET || request.method == Method::HEAD;
    if !is_read || request.headers.contains_key(AUTHORIZATION) {
        return false;
    }
    let mut modes = request.headers.get_all("sec-fetch-mode").iter();
    match (modes.next(), modes.next()) {
        (None, _) => accepts_html(&request.headers),
        (Some(mode), None) => mode == "navigate",
        (Some(_), Some(_)) => false,
    }
}

/// Browsers name HTML when they navigate, and scripts and programs hardly ever do. `*/*` is everyone's.
fn accepts_html(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_html = parts.next().is_some_and(|media_type| media_type.eq_ignore_ascii_case("text/html"));
        is_html && !parts.any(is_weight_of_zero)
    })
}

/// `q=0` excludes the type (RFC 9110 §12.4.2).
fn is_weight_of_zero(parameter: &str) -> bool {
    let weight = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="));
    weight.is_some_and(|weight| weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0))
}

/// Whether a page of ours started the request, as far as its `Referer` shows. A browser that marks the repetition as another
/// site's would otherwise repeat it for ever.
fn has_own_referer(request: &Parts) -> bool {
    let text = |name| request.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let host = request.uri.authority().map(http::uri::Authority::as_str).or_else(|| text(HOST));
    let referer = text(REFERER).and_then(|referer| referer.split_once("://"));
    let authority = referer.and_then(|(_, rest)| rest.split(['/', '?']).next());
    authority.zip(host).is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host))
}

/// The page that requests its own address again. That request is same-origin.
fn repeat() -> Response<Bytes> {
    let mut response = uncached(StatusCode::OK, Bytes::from_static(REPEAT.as_bytes()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn uncached(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    response.headers_mut().insert(VARY, HeaderValue::from_static(VARIES_BY));
    response
}
