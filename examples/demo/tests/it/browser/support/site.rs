//! A site that is not the demo: an attacker's, or another service of ours.

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
    field: String,
}

impl Site {
    /// `/` is a page, `/cookie?field=…` sets a cookie, `/service` wants a bearer token that it has not `refused`,
    /// `/redirect?field=…` sends the browser elsewhere.
    pub(crate) async fn start(refused: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        let seen = Arc::<Mutex<Vec<_>>>::default();
        let (log, refused) = (Arc::clone(&seen), Arc::new(refused));
        let service = move |request: Request| {
            let token = bearer(request.headers());
            // The question whether the request may be sent is none.
            if request.method() != "OPTIONS" {
                log.lock().unwrap().push(token.clone());
            }
            let is_welcome = request.method() == "OPTIONS" || token.is_some_and(|token| !refused(&token));
            async move { with_cors(request.headers(), is_welcome) }
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

async fn set_cookie(Query(SetCookie { field }): Query<SetCookie>) -> impl IntoResponse {
    ([(header::SET_COOKIE, HeaderValue::from_bytes(field.as_bytes()).unwrap())], Html("set"))
}

async fn redirect(Query(SetCookie { field }): Query<SetCookie>, request: Request) -> Response {
    let mut response = with_cors(request.headers(), true);
    if request.method() != "OPTIONS" {
        *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
        response.headers_mut().insert(header::LOCATION, field.try_into().unwrap());
    }
    response
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().unwrap();
    Some(value.strip_prefix("Bearer ").unwrap().to_owned())
}

fn with_cors(headers: &HeaderMap, is_welcome: bool) -> Response {
    let origin = headers.get(header::ORIGIN).cloned().unwrap_or(HeaderValue::from_static("*"));
    let cors = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization")),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("www-authenticate")),
    ];
    if is_welcome {
        return (cors, "welcome").into_response();
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")];
    (StatusCode::UNAUTHORIZED, cors, challenge).into_response()
}
