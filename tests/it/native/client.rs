//! A native client: it keeps two tokens, and no cookie.

use axum::{
    Router,
    body::Body,
    extract::Path,
    routing::{get, post},
};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;
use tower_refresh::{Authenticated, NativeTokenResponse, Rejection, Session, SessionHandle};

use crate::support::{Claims, World, mint};

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// Names and values of headers.
pub(crate) type Headers<'a> = &'a [(&'a str, &'a str)];

/// The application of these tests.
pub(crate) fn app(world: &World) -> Router {
    let routes = Router::new()
        .route("/token-login/{subject}", post(login))
        .route("/me", get(me))
        .merge(world.auth.routes())
        .merge(world.auth.token_route());
    routes.layer(world.auth.layer())
}

async fn login(
    session: Session<Claims>,
    Path(subject): Path<String>,
) -> Result<NativeTokenResponse, Rejection> {
    session.login_native(subject).await
}

async fn me(user: Authenticated<Claims>) -> String {
    user.subject().to_string()
}

#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Client {
    pub(crate) async fn logged_in(world: &World, subject: &str) -> Self {
        let response = send(world, Method::POST, &format!("/token-login/{subject}"), &[], "").await;
        assert_eq!(response.status(), StatusCode::OK, "{response:?}");
        let tokens = json(&response);
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        world.take_events();
        world.store.take_calls();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }

    /// Exchanges the refresh token, and keeps the new tokens.
    pub(crate) async fn exchange(&mut self, world: &World) -> Response<Bytes> {
        let response = exchange(world, &self.refresh).await;
        if response.status() == StatusCode::OK {
            let tokens = json(&response);
            self.access = tokens["access_token"].as_str().unwrap().to_owned();
            if let Some(refresh) = tokens.get("refresh_token") {
                self.refresh = refresh.as_str().unwrap().to_owned();
            }
        }
        response
    }

    /// Sends a request with the access token.
    pub(crate) async fn send(&self, world: &World, method: Method, path: &str) -> Response<Bytes> {
        let bearer = format!("Bearer {}", self.access);
        send(world, method, path, &[("authorization", &bearer)], "").await
    }

    pub(crate) fn session(&self) -> SessionHandle {
        mint::session(&self.access)
    }
}

/// The response to a token request.
pub(crate) async fn exchange(world: &World, refresh: &str) -> Response<Bytes> {
    send_form(world, &format!("grant_type=refresh_token&refresh_token={refresh}")).await
}

pub(crate) async fn send_form(world: &World, form: &str) -> Response<Bytes> {
    send(world, Method::POST, "/auth/token", &[("content-type", FORM)], form.to_owned()).await
}

pub(crate) async fn send(
    world: &World,
    method: Method,
    path: &str,
    headers: Headers<'_>,
    body: impl Into<Body>,
) -> Response<Bytes> {
    call(app(world), method, path, headers, body).await
}

pub(crate) async fn call(
    app: Router,
    method: Method,
    path: &str,
    headers: Headers<'_>,
    body: impl Into<Body>,
) -> Response<Bytes> {
    let mut request = Request::builder().method(method).uri(path).header("host", "api.example.com");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = app.oneshot(request.body(body.into()).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

pub(crate) fn json(response: &Response<Bytes>) -> Value {
    assert_eq!(response.headers()["content-type"], "application/json");
    serde_json::from_slice(response.body()).unwrap()
}

/// The new refresh token in a response.
pub(crate) fn new_refresh(response: &Response<Bytes>) -> Option<String> {
    Some(json(response).get("refresh_token")?.as_str().unwrap().to_owned())
}

/// Checks that the response is the error `code` of RFC 6749 §5.2 without a token.
#[track_caller]
pub(crate) fn assert_error(response: &Response<Bytes>, code: &str, case: &str) {
    let body = json(response);
    assert_eq!((response.status().as_u16(), body["error"].as_str()), (400, Some(code)), "{case}: {body}");
    assert_eq!(body.as_object().unwrap().len(), 2, "{case}: {body}");
    let description = body["error_description"].as_str().unwrap();
    // RFC 6749 §5.2
    let allowed = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
    assert!(!description.is_empty() && description.bytes().all(allowed), "{case}: {description}");
    assert_is_not_cached(response);
    assert!(!response.headers().contains_key("set-cookie"), "{case}");
}

/// Checks the headers that RFC 6749 §5.1 requires.
#[track_caller]
pub(crate) fn assert_is_not_cached(response: &Response<Bytes>) {
    let headers = response.headers();
    assert!(headers["cache-control"].to_str().unwrap().contains("no-store"), "{headers:?}");
    assert_eq!(headers["pragma"], "no-cache");
    assert_eq!(headers["x-content-type-options"], "nosniff");
}
