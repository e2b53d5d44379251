//! The login service of the guide's chapter on forward auth, as the guide shows it; a test compares the two.

use axum::{
    Router,
    extract::Request,
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{CACHE_CONTROL, LOCATION, SET_COOKIE},
    },
    middleware::{Next, from_fn},
    response::{Html, IntoResponse, Response},
    routing::any,
};
use tower_refresh::{Auth, Authenticated};

/// Traefik and Caddy ask `/forward-auth`, and return all responses but a 2xx to the browser. nginx asks `/forward-auth/check`, and
/// after a 401 sends the browser's request itself to `/forward-auth/renew`.
pub(super) fn forward_auth(auth: &Auth<()>) -> Router {
    Router::new()
        .route("/forward-auth", any(user_for_application))
        .route("/forward-auth/check", any(user_for_application))
        .route("/forward-auth/renew", any(user_for_application))
        // `route_layer`, so that unknown paths of a router that this one is merged into stay 404
        .route_layer(auth.layer())
        .route_layer(from_fn(answer_proxy)) // outside the layer: it needs the layer's cookies
}

async fn user_for_application(user: Authenticated<()>) -> Response {
    let subject = user.subject().as_str();
    match HeaderValue::from_str(subject) {
        // Proxies trim spaces, and a missing header could be the client's own.
        Ok(value) if !subject.is_empty() && subject.bytes().all(|byte| byte.is_ascii_graphic()) => {
            (StatusCode::NO_CONTENT, [("x-user", value)]).into_response()
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn answer_proxy(mut request: Request, next: Next) -> Response {
    let Some(original) = Original::of(request.headers()) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let (is_check, is_renewal) = match request.uri().path() {
        "/forward-auth/check" => (true, false),
        path => (false, path == "/forward-auth/renew"),
    };
    *request.method_mut() = original.method;
    let mut response = next.run(request).await;

    let (status, has_cookies) = (response.status(), response.headers().contains_key(SET_COOKIE));
    if is_check || status.is_success() && !has_cookies && !is_renewal {
        return response; // a 2xx: the proxy passes the request on
    }
    if is_renewal && status.is_success() && response.headers().contains_key("x-access-token") {
        *response.status_mut() = StatusCode::UNAUTHORIZED; // a client with a bearer token takes the new one from here
        return response;
    }
    if original.is_from_elsewhere && (status.is_success() || status == StatusCode::UNAUTHORIZED) {
        let page = Html("<!doctype html><meta http-equiv=refresh content=0><title>One moment</title>");
        return (StatusCode::UNAUTHORIZED, [(CACHE_CONTROL, "no-store")], page).into_response();
    }
    if status.is_success() {
        // 307 keeps the method and the body, and the new cookies are on this response.
        *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
        response.headers_mut().insert(LOCATION, original.uri);
    } else if status == StatusCode::UNAUTHORIZED && original.is_navigation {
        *response.status_mut() = StatusCode::SEE_OTHER;
        response.headers_mut().insert(LOCATION, HeaderValue::from_static("/login"));
    }
    response
}

/// The request that the proxy asks about.
struct Original {
    method: Method,
    uri: HeaderValue,
    is_navigation: bool,
    is_from_elsewhere: bool,
}

impl Original {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let method = Method::from_bytes(headers.get("x-forwarded-method")?.as_bytes()).ok()?;
        let uri = headers.get("x-forwarded-uri")?;
        let uri = if is_own_path(uri.as_bytes()) { uri.clone() } else { HeaderValue::from_static("/") };
        let is = |name: &str, value: &str| headers.get(name).is_some_and(|found| found == value);
        let is_navigation = is("sec-fetch-mode", "navigate");
        let is_from_other_site = is("sec-fetch-site", "cross-site") || is("sec-fetch-site", "same-site");
        let is_from_elsewhere = is_navigation && is_from_other_site;
        Some(Self { method, uri, is_navigation, is_from_elsewhere })
    }
}

/// Not `//evil.example`, which browsers take for a host.
fn is_own_path(uri: &[u8]) -> bool {
    uri.starts_with(b"/") && !matches!(uri.get(1), Some(b'/' | b'\\')) && uri.iter().all(u8::is_ascii_graphic)
}
