//! A client with a cookie jar, which calls the application in process.

use std::{collections::BTreeMap, fmt};

use axum::{
    BoxError, Router,
    body::{Body, HttpBody, to_bytes},
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

/// A browser for tests: sends requests to an application in process, and stores its cookies.
///
/// The application is an axum `Router`, or any other service for requests with axum's `Body`, such as
/// `auth.layer().layer(router)`: its response may have any body. A service that takes requests with another body gets them through
/// tower's `MapRequest`.
///
/// Requests go to `localhost` as if over HTTPS, without `Sec-Fetch-*` and `Origin` headers, like those of clients other than
/// browsers. To test requests from other sites, add these headers with [`send`](Self::send). A cookie stays until a response
/// removes it, also after its expiry, which only the server checks, on its own clock.
///
/// A clone has a copy of the cookie jar. A clone from before a refresh can act as a thief.
#[derive(Clone)]
pub struct Client<S = Router> {
    app: S,
    cookies: BTreeMap<String, String>,
    bearer: Option<String>,
}

impl<S> Client<S> {
    /// A client of `app`, without cookies.
    pub fn new(app: S) -> Self {
        Self { app, cookies: BTreeMap::new(), bearer: None }
    }

    /// Sends `token` as bearer token in all further requests.
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

    /// Removes a cookie from the jar, as a browser does with the access cookie when it expires.
    pub fn remove_cookie(&mut self, name: &str) -> Option<String> {
        self.cookies.remove(name)
    }

    fn store_cookies<B>(&mut self, response: &Response<B>) {
        let headers = response.headers().get_all(SET_COOKIE).iter();
        for cookie in headers.filter_map(|value| Cookie::parse(value.to_str().ok()?).ok()) {
            if cookie.max_age().is_some_and(|age| age.is_zero() || age.is_negative()) {
                self.cookies.remove(cookie.name());
            } else {
                self.cookies.insert(cookie.name().to_owned(), cookie.value().to_owned());
            }
        }
    }
}

impl<S, B> Client<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: fmt::Debug,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// Sends a GET.
    ///
    /// # Panics
    /// If `path` is not a valid path, and as for [`send`](Self::send).
    pub async fn get(&mut self, path: &str) -> Response<Bytes> {
        self.send(request(Method::GET, path, Body::empty())).await
    }

    /// Sends a POST with this body, without a content type.
    ///
    /// # Panics
    /// As for [`get`](Self::get).
    pub async fn post(&mut self, path: &str, body: impl Into<Body>) -> Response<Bytes> {
        self.send(request(Method::POST, path, body.into())).await
    }

    /// Sends a POST with `body` as JSON.
    ///
    /// # Panics
    /// If `body` cannot be serialised, and as for [`get`](Self::get).
    pub async fn post_json(&mut self, path: &str, body: &impl Serialize) -> Response<Bytes> {
        self.send(with_content_type(request(Method::POST, path, json(body)), "application/json")).await
    }

    /// Sends a POST with these names and values, as a form of a page does: `application/x-www-form-urlencoded`.
    ///
    /// # Panics
    /// As for [`get`](Self::get).
    pub async fn post_form(&mut self, path: &str, fields: &[(&str, &str)]) -> Response<Bytes> {
        let request = request(Method::POST, path, form(fields).into());
        self.send(with_content_type(request, "application/x-www-form-urlencoded")).await
    }

    /// Sends a PUT with this body, without a content type.
    ///
    /// # Panics
    /// As for [`get`](Self::get).
    pub async fn put(&mut self, path: &str, body: impl Into<Body>) -> Response<Bytes> {
        self.send(request(Method::PUT, path, body.into())).await
    }

    /// Sends a PUT with `body` as JSON.
    ///
    /// # Panics
    /// As for [`post_json`](Self::post_json).
    pub async fn put_json(&mut self, path: &str, body: &impl Serialize) -> Response<Bytes> {
        self.send(with_content_type(request(Method::PUT, path, json(body)), "application/json")).await
    }

    /// Sends a DELETE.
    ///
    /// # Panics
    /// As for [`get`](Self::get).
    pub async fn delete(&mut self, path: &str) -> Response<Bytes> {
        self.send(request(Method::DELETE, path, Body::empty())).await
    }

    /// Sends any request, and stores the cookies of the response. Adds the headers `Host`, `Cookie` (from the jar) and
    /// `Authorization` (with the bearer token), unless the request has its own.
    ///
    /// # Panics
    /// If a cookie or the bearer token is not a valid header value, or the service or the body of the response fails.
    pub async fn send(&mut self, mut request: Request<Body>) -> Response<Bytes> {
        let headers = request.headers_mut();
        headers.entry(HOST).or_insert(HeaderValue::from_static("localhost"));
        if !self.cookies.is_empty() {
            let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            headers.entry(COOKIE).or_insert(header_value(&pairs.join("; ")));
        }
        if let Some(token) = &self.bearer {
            headers.entry(AUTHORIZATION).or_insert(header_value(&format!("Bearer {token}")));
        }
        let response = async {
            poll_fn(|context| self.app.poll_ready(context)).await?;
            self.app.call(request).await
        };
        let response = response.await.unwrap_or_else(|error| panic!("the service failed: {error:?}"));
        self.store_cookies(&response);
        let (parts, body) = response.into_parts();
        let body = to_bytes(Body::new(body), usize::MAX)
            .await
            .unwrap_or_else(|error| panic!("the body of the response failed: {error}"));
        Response::from_parts(parts, body)
    }
}

impl<S> fmt::Debug for Client<S> {
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
    request.unwrap_or_else(|error| panic!("invalid path {path:?}: {error}"))
}

fn with_content_type(mut request: Request<Body>, content_type: &'static str) -> Request<Body> {
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    request
}

fn json(body: &impl Serialize) -> Body {
    let json = serde_json::to_vec(body);
    json.unwrap_or_else(|error| panic!("the body cannot be serialised: {error}")).into()
}

/// As browsers serialise a form (<https://url.spec.whatwg.org/#urlencoded-serializing>).
fn form(fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| -> String {
        let encoded = text.bytes().map(|byte| match byte {
            b' ' => "+".to_owned(),
            b'*' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        });
        encoded.collect()
    };
    let pairs: Vec<_> =
        fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.join("&")
}

fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|error| panic!("invalid header value: {error}"))
}
