//! A browser: it stores cookies, and sends requests to any of the servers.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::Value;
use ureq::{
    Agent, Error,
    http::{HeaderMap, Request},
};

use super::service::Addresses;

#[derive(Clone)]
pub(crate) struct Browser {
    agent: Agent,
    addresses: Addresses,
    cookies: BTreeMap<String, String>,
    bearer: Option<String>,
    /// Whether requests are navigations, for which servers may remove the cookies of dead sessions.
    pub(crate) navigates: bool,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) took: Duration,
    /// Whether it removed the refresh cookie.
    pub(crate) removed: bool,
}

const REFRESH: &str = "__Host-refresh";
const ACCESS: &str = "__Host-access";
const HANG: Duration = Duration::from_secs(30);

impl Browser {
    pub(super) fn new(addresses: Addresses) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(HANG));
        Self {
            agent: config.build().into(),
            addresses,
            cookies: BTreeMap::new(),
            bearer: None,
            navigates: false,
        }
    }

    /// The same without its access token, as after the expiry.
    pub(crate) fn without_access(&self) -> Self {
        let mut browser = self.clone();
        browser.forget_access();
        browser
    }

    pub(crate) fn forget_all(&mut self) {
        self.cookies.clear();
    }

    pub(crate) fn forget_access(&mut self) {
        self.cookies.remove(ACCESS);
    }

    /// A client with only its access token.
    pub(crate) fn as_bearer(&self) -> Self {
        let mut browser = self.clone();
        browser.bearer = browser.cookies.remove(ACCESS);
        assert!(browser.bearer.is_some());
        browser.cookies.clear();
        browser
    }

    /// Logs in with the user's password.
    pub(crate) fn log_in(&mut self, server: usize, user: &str) -> Result<Answer, Error> {
        let form = format!(r#"{{"username":"{user}","password":"{user}-password"}}"#);
        self.send(server, "POST", "/login", &form)
    }

    pub(crate) fn get(&mut self, server: usize, path: &str) -> Result<Answer, Error> {
        self.send(server, "GET", path, "")
    }

    pub(crate) fn post(&mut self, server: usize, path: &str) -> Result<Answer, Error> {
        self.send(server, "POST", path, "")
    }

    pub(crate) fn delete(&mut self, server: usize, path: &str) -> Result<Answer, Error> {
        self.send(server, "DELETE", path, "")
    }

    pub(crate) fn patch(&mut self, server: usize, path: &str, body: &str) -> Result<Answer, Error> {
        self.send(server, "PATCH", path, body)
    }

    fn send(&mut self, server: usize, method: &str, path: &str, body: &str) -> Result<Answer, Error> {
        let address = self.addresses.read().unwrap()[server].clone();
        let mut request = Request::builder().method(method).uri(format!("http://{address}{path}"));
        if self.navigates && method == "GET" {
            for (name, value) in [("site", "none"), ("mode", "navigate"), ("dest", "document")] {
                request = request.header(format!("sec-fetch-{name}"), value);
            }
        }
        if let Some(token) = &self.bearer {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if !self.cookies.is_empty() {
            let cookies: Vec<_> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", cookies.join("; "));
        }
        let started = Instant::now();
        let response = if body.is_empty() {
            self.agent.run(request.body(()).unwrap())?
        } else {
            self.agent
                .run(request.header("content-type", "application/json").body(body.to_owned()).unwrap())?
        };
        let (head, mut body) = response.into_parts();
        let body = body.read_to_string()?;
        let took = started.elapsed();
        let removed = self.keep(&head.headers);
        let body = serde_json::from_str(&body).unwrap_or_default();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body, took, removed })
    }

    /// Stores the cookies that a response sets; returns whether the refresh cookie was removed.
    pub(crate) fn keep(&mut self, headers: &HeaderMap) -> bool {
        let mut removed = false;
        for header in headers.get_all("set-cookie") {
            let (name, value) = header.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
                removed |= name == REFRESH;
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        removed
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn sid(&self) -> &str {
        self.body["sid"].as_str().unwrap_or_else(|| panic!("no sid: {}", self.body))
    }

    /// The generation of the refresh token that the browser now has.
    pub(crate) fn generation(&self) -> u64 {
        self.header("x-demo-generation").map_or(0, |generation| generation.parse().unwrap())
    }

    pub(crate) fn renewed(&self) -> bool {
        matches!(self.header("x-demo-renewed"), Some("access" | "both"))
    }
}
