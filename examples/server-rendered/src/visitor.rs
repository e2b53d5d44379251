//! Who looks at a page that needs a login.

use axum::{
    extract::{FromRequestParts, OriginalUri},
    http::{Method, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use tower_refresh::{Authenticated, Rejection, RejectionKind};

use crate::User;

/// A logged-in user; everybody else is sent to the login form, which leads back to the page.
pub(crate) struct Visitor(pub(crate) Authenticated<User>);

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Response> {
        Authenticated::required(&parts.extensions).map(Self).map_err(|rejection| answer(parts, rejection))
    }
}

/// Only for nobody, and only where coming back makes sense: a form that was sent is not sent again by a redirect, and a store
/// that is away, or a request from another site, is no reason to ask for a password.
fn answer(parts: &Parts, rejection: Rejection) -> Response {
    if *rejection.kind() != RejectionKind::Unauthenticated || parts.method != Method::GET {
        return rejection.into_response();
    }
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri);
    let here = uri.path_and_query().map_or("/", |here| here.as_str());
    let next: String = form_urlencoded::byte_serialize(here.as_bytes()).collect();
    Redirect::to(&format!("/login?next={next}")).into_response()
}

/// Where to go after the login: a path of this site, never another site that a link to the login form names. Browsers read
/// `//host` and `/\host` as another host, and leave out tabs and line breaks before they look.
pub(crate) fn safe_next(next: &str) -> &str {
    let is_path = next.starts_with('/') && !next.starts_with("//");
    let is_plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_path && is_plain { next } else { "/" }
}
