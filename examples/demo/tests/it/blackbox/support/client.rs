//! A client that stores cookies like a browser, and shows them to the test.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use ureq::{
    Agent, Body,
    http::{self, HeaderMap, Request},
};

const LARGEST_BODY: u64 = 64 * 1024 * 1024;

#[derive(Clone)]
pub(crate) struct Client {
    agent: Agent,
    url: String,
    pub(crate) cookies: BTreeMap<String, String>,
    /// Sent with each request.
    pub(crate) request_headers: Vec<(&'static str, String)>,
}

pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn new(address: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(Duration::from_secs(20)));
        Self {
            agent: config.build().into(),
            url: format!("http://{address}"),
            cookies: BTreeMap::new(),
            request_headers: Vec::new(),
        }
    }

    /// The same client with a header in each request.
    pub(crate) fn with(&self, name: &'static str, value: &str) -> Self {
        let mut client = self.clone();
        client.request_headers.push((name, value.to_owned()));
        client
    }

    /// The same client without its access cookie, as after the expiry.
    pub(crate) fn without_access(&self) -> Self {
        let mut client = self.clone();
        client.cookies.retain(|name, _| !name.ends_with("access"));
        client
    }

    /// The same client with a bearer token instead of cookies.
    pub(crate) fn bearer(&self, token: &str) -> Self {
        let mut client = self.with("authorization", &format!("Bearer {token}"));
        client.cookies.clear();
        client
    }

    pub(crate) fn refresh_token(&self) -> String {
        self.cookies.iter().find(|(name, _)| name.ends_with("refresh")).unwrap().1.clone()
    }

    /// Logs in with the user's password; returns the access token.
    pub(crate) fn log_in(&mut self, user: &str) -> String {
        let form = json!({ "username": user, "password": format!("{user}-password") });
        let response = self.post_json("/login", &form);
        assert_eq!(response.status, 200, "{}", response.text());
        response.json()["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn get(&mut self, path: &str) -> Response {
        self.send("GET", path, "")
    }

    pub(crate) fn post(&mut self, path: &str) -> Response {
        self.send("POST", path, "")
    }

    pub(crate) fn post_json(&mut self, path: &str, body: &Value) -> Response {
        self.send_json("POST", path, body)
    }

    pub(crate) fn send_json(&mut self, method: &str, path: &str, body: &Value) -> Response {
        let mut once = self.with("content-type", "application/json");
        let response = once.send(method, path, &body.to_string());
        self.cookies = once.cookies;
        response
    }

    pub(crate) fn send(&mut self, method: &str, path: &str, body: &str) -> Response {
        let response = self.open(method, path, body);
        let (head, mut body) = response.into_parts();
        self.keep(&head.headers);
        let body = body.with_config().limit(LARGEST_BODY).read_to_vec().unwrap();
        Response { status: head.status.as_u16(), headers: head.headers, body }
    }

    /// The response with its body unread.
    pub(crate) fn open(&self, method: &str, path: &str, body: &str) -> http::Response<Body> {
        self.try_open(method, path, body).unwrap()
    }

    /// The same, if the server may close without a response.
    pub(crate) fn try_open(
        &self,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<http::Response<Body>, ureq::Error> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in &self.request_headers {
            request = request.header(*name, value);
        }
        if !self.cookies.is_empty() {
            let cookies: Vec<_> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", cookies.join("; "));
        }
        if body.is_empty() {
            // Otherwise an empty chunk follows the head, and a server that has responded by then closes the connection.
            let request = if method == "GET" { request } else { request.header("content-length", "0") };
            return self.agent.run(request.body(()).unwrap());
        }
        self.agent.run(request.body(body.to_owned()).unwrap())
    }

    fn keep(&mut self, headers: &HeaderMap) {
        for header in headers.get_all("set-cookie") {
            let header = header.to_str().unwrap();
            let (name, value) = header.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// The `Set-Cookie` header of the cookie `name`.
    pub(crate) fn set_cookie(&self, name: &str) -> Option<String> {
        let cookies = self.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
        cookies.into_iter().find(|cookie| cookie.starts_with(&format!("{name}="))).map(str::to_owned)
    }

    /// Checks that it is a problem document of this status.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert!(problem["type"].is_string() && problem["title"].is_string() && problem["detail"].is_string());
    }

    /// Checks that it is a 401 for a missing login: a challenge without an error code (RFC 6750 §3.1).
    #[track_caller]
    pub(crate) fn assert_bare_challenge(&self) {
        self.assert_problem(401);
        assert_eq!(self.header("www-authenticate"), "Bearer realm=\"tower-refresh-demo\"");
    }

    /// Checks that it is a 401 for an invalid bearer token.
    #[track_caller]
    pub(crate) fn assert_invalid_token(&self) {
        self.assert_problem(401);
        let challenge = self.header("www-authenticate");
        assert!(
            challenge.starts_with("Bearer ") && challenge.contains("error=\"invalid_token\""),
            "{challenge}"
        );
    }
}
