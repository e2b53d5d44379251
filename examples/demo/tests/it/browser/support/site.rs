//! Another site than the demo: an attacker's, or another service of the same owner.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::{Query, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use tokio::{net::TcpListener, task::JoinHandle};

pub(crate) struct Site {
    pub(crate) address: String,
    seen: Arc<Mutex<Vec<Option<String>>>>,
    task: JoinHandle<()>,
}

#[derive(Deserialize)]
struct SetCookie {
    header: String,
}

impl Site {
    /// `/` is a page, `/cookie?header=…` sets a cookie, `/service` requires a bearer token that is not `rejected`, and
    /// `/redirect?header=…` redirects the browser.
    pub(crate) async fn start(rejected: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        let seen = Arc::<Mutex<Vec<_>>>::default();
        let (log, rejected) = (Arc::clone(&seen), Arc::new(rejected));
        let service = move |request: Request| {
            let token = bearer(request.headers());
            // A preflight request does not count.
            if request.method() != "OPTIONS" {
                log.lock().unwrap().push(token.clone());
            }
            let is_authorized = request.method() == "OPTIONS" || token.is_some_and(|token| !rejected(&token));
            async move { with_cors(request.headers(), is_authorized) }
        };
        let router = Router::new()
            .route("/", get(|| async { Html("<!doctype html><title>another site</title>") }))
            .route("/cookie", get(set_cookie))
            .route("/redirect", get(redirect).options(redirect))
            .route("/service", axum::routing::any(service));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, seen, task }
    }

    /// The bearer tokens of the requests to `/service` so far.
    pub(crate) fn tokens(&self) -> Vec<Option<String>> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn set_cookie(Query(SetCookie { header: value }): Query<SetCookie>) -> impl IntoResponse {
    ([(header::SET_COOKIE, HeaderValue::from_bytes(value.as_bytes()).unwrap())], Html("set"))
}

async fn redirect(Query(SetCookie { header: value }): Query<SetCookie>, request: Request) -> Response {
    let mut response = with_cors(request.headers(), true);
    if request.method() != "OPTIONS" {
        *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
        response.headers_mut().insert(header::LOCATION, value.try_into().unwrap());
    }
    response
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().unwrap();
    Some(value.strip_prefix("Bearer ").unwrap().to_owned())
}

fn with_cors(headers: &HeaderMap, is_authorized: bool) -> Response {
    let origin = headers.get(header::ORIGIN).cloned().unwrap_or(HeaderValue::from_static("*"));
    let cors = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization")),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("www-authenticate")),
    ];
    if is_authorized {
        return (cors, "welcome").into_response();
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")];
    (StatusCode::UNAUTHORIZED, cors, challenge).into_response()
}
