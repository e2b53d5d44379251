//! The extractor of pages that need a login.

use axum::{
    extract::{FromRequestParts, OriginalUri},
    http::{Method, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use tower_refresh::{Authenticated, Rejection, RejectionKind};

use crate::User;

/// A logged-in user. Anonymous requests are redirected to the login form, which leads back to the page.
pub(crate) struct Visitor(pub(crate) Authenticated<User>);

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Response> {
        Authenticated::required(&parts.extensions)
            .map(Self)
            .map_err(|rejection| login_redirect(parts, rejection))
    }
}

/// Redirects anonymous GET requests only. A redirect would not send a form again, and a password helps neither if the store is
/// unavailable nor if the request came from another site.
fn login_redirect(parts: &Parts, rejection: Rejection) -> Response {
    if *rejection.kind() != RejectionKind::Unauthenticated || parts.method != Method::GET {
        return rejection.into_response();
    }
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri);
    let here = uri.path_and_query().map_or("/", |here| here.as_str());
    let next: String = form_urlencoded::byte_serialize(here.as_bytes()).collect();
    Redirect::to(&format!("/login?next={next}")).into_response()
}

/// The target of the redirect after login: always a path of this site, even if a link to the login form names another site.
/// Browsers parse `//host` and `/\host` as another host, after they have removed tabs and line breaks.
pub(crate) fn safe_next(next: &str) -> &str {
    let is_path = next.starts_with('/') && !next.starts_with("//");
    let is_plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_path && is_plain { next } else { "/" }
}
