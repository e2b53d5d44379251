use std::{collections::BTreeMap, fmt};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{
        HeaderValue, Method, Request, Response,
        header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, SET_COOKIE},
    },
};
use bytes::Bytes;
use cookie::Cookie;
use futures_util::future::poll_fn;
use serde::Serialize;
use tower_service::Service;

/// A browser for tests: sends requests to an application in process, and keeps its cookies.
///
/// It speaks as if over HTTPS to `localhost`, and sends no `Sec-Fetch-*` and no `Origin`: as a client that is no browser. Add
/// them by [`send`](Self::send) to see what another site's page comes to. A cookie stays until a response removes it:
/// what has expired the server finds out by its own clock.
///
/// Clones have a jar of their own, of the same cookies: a clone made before a refresh is a thief.
#[derive(Clone)]
pub struct Client {
    app: Router,
    cookies: BTreeMap<String, String>,
    bearer: Option<String>,
}

impl Client {
    /// A client of `app`, without cookies.
    pub fn new(app: Router) -> Self {
        Self { app, cookies: BTreeMap::new(), bearer: None }
    }

    /// Sends `token` as bearer token from now on.
    pub fn bearer(&mut self, token: impl Into<String>) -> &mut Self {
        self.bearer = Some(token.into());
        self
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// Puts a cookie into the jar.
    pub fn set_cookie(&mut self, name: impl Into<String>, value: impl Into<String>) -> &mut Self {
        self.cookies.insert(name.into(), value.into());
        self
    }

    /// Takes a cookie out of the jar, as a browser does with the access token's when it expires.
    pub fn remove_cookie(&mut self, name: &str) -> Option<String> {
        self.cookies.remove(name)
    }

    /// Sends a GET.
    ///
    /// # Panics
    /// If `path` is no path, and as [`send`](Self::send).
    pub async fn get(&mut self, path: &str) -> Response<Bytes> {
        self.send(request(Method::GET, path, Body::empty())).await
    }

    /// Sends a POST with this body, without a content type.
    ///
    /// # Panics
    /// As [`get`](Self::get).
    pub async fn post(&mut self, path: &str, body: impl Into<Body>) -> Response<Bytes> {
        self.send(request(Method::POST, path, body.into())).await
    }

    /// Sends a POST with `body` as JSON.
    ///
    /// # Panics
    /// If `body` does not serialise, and as [`get`](Self::get).
    pub async fn post_json(&mut self, path: &str, body: &impl Serialize) -> Response<Bytes> {
        let body = serde_json::to_vec(body).unwrap_or_else(|error| panic!("no JSON: {error}"));
        let mut request = request(Method::POST, path, body.into());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.send(request).await
    }

    /// Sends any request, with `Host`, the jar's cookies and the bearer token where it has no such field of its own, and
    /// keeps the cookies of the response.
    ///
    /// # Panics
    /// If a cookie or the bearer token cannot go into a field, or the response's body breaks off.
    pub async fn send(&mut self, mut request: Request<Body>) -> Response<Bytes> {
        let headers = request.headers_mut();
        headers.entry(HOST).or_insert(HeaderValue::from_static("localhost"));
        if !self.cookies.is_empty() {
            let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            headers.entry(COOKIE).or_insert(field(&pairs.join("; ")));
        }
        if let Some(token) = &self.bearer {
            headers.entry(AUTHORIZATION).or_insert(field(&format!("Bearer {token}")));
        }
        let Ok(()) = poll_fn(|context| Service::<Request<Body>>::poll_ready(&mut self.app, context)).await;
        let Ok(response) = self.app.call(request).await;
        let (parts, body) = response.into_parts();
        let body =
            to_bytes(body, usize::MAX).await.unwrap_or_else(|error| panic!("the body broke off: {error}"));
        let response = Response::from_parts(parts, body);
        self.keep(&response);
        response
    }

    fn keep(&mut self, response: &Response<Bytes>) {
        let fields = response.headers().get_all(SET_COOKIE).iter();
        for cookie in fields.filter_map(|field| Cookie::parse(field.to_str().ok()?).ok()) {
            if cookie.max_age().is_some_and(|age| age.is_zero() || age.is_negative()) {
                self.cookies.remove(cookie.name());
            } else {
                self.cookies.insert(cookie.name().to_owned(), cookie.value().to_owned());
            }
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.cookies.keys().collect();
        f.debug_struct("Client")
            .field("cookies", &names)
            .field("bearer", &self.bearer.is_some())
            .finish_non_exhaustive()
    }
}

fn request(method: Method, path: &str, body: Body) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).body(body);
    request.unwrap_or_else(|error| panic!("no path: {path:?}: {error}"))
}

fn field(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|error| panic!("no field: {error}"))
}
