//! A browser: a cookie jar and the requests it sends.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};

use super::{World, request};

pub const ACCESS: &str = "__Host-access";
pub const REFRESH: &str = "__Host-refresh";

/// Keeps cookies until they are removed. It ignores their `Max-Age`, so that a test can present expired tokens.
#[derive(Clone, Debug, Default)]
pub struct Browser {
    pub cookies: BTreeMap<String, String>,
}

impl Browser {
    pub fn new() -> Self {
        Self::default()
    }

    /// A browser in which `subject` is logged in.
    pub async fn logged_in(world: &World, subject: &str) -> Self {
        let mut browser = Self::new();
        let response = browser.get(world, &format!("/login/{subject}")).await;
        assert_eq!(response.status(), 200, "{response:?}");
        browser
    }

    /// Sends a GET with the jar's cookies, and keeps those of the response.
    pub async fn get(&mut self, world: &World, path: &str) -> Response<Bytes> {
        let response = world.send(self.request(path)).await;
        self.keep(response.headers());
        response
    }

    /// A GET with the jar's cookies, to be sent by the test itself.
    pub fn request(&self, path: &str) -> Request<()> {
        if self.cookies.is_empty() {
            request(path, &[])
        } else {
            request(path, &[("cookie", &self.cookie_header())])
        }
    }

    pub fn cookie_header(&self) -> String {
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    /// Applies the cookies that `headers` set and remove.
    pub fn keep(&mut self, headers: &HeaderMap) {
        for (name, value) in set_cookies(headers) {
            match value {
                Some(value) => self.cookies.insert(name, value),
                None => self.cookies.remove(&name),
            };
        }
    }

    pub fn access(&self) -> Option<&str> {
        self.cookies.get(ACCESS).map(String::as_str)
    }

    pub fn refresh(&self) -> Option<&str> {
        self.cookies.get(REFRESH).map(String::as_str)
    }

    /// Forgets the access cookie, as a browser does when it expires.
    pub fn drop_access(&mut self) {
        self.cookies.remove(ACCESS);
    }
}

/// The cookies that a response sets, with their values, or removes, with `None`.
pub fn set_cookies(headers: &HeaderMap) -> Vec<(String, Option<String>)> {
    headers
        .get_all("set-cookie")
        .iter()
        .map(|header| {
            let cookie = cookie::Cookie::parse(header.to_str().unwrap().to_owned()).unwrap();
            let removed = cookie.max_age().is_some_and(|age| age.is_zero());
            (cookie.name().to_owned(), (!removed).then(|| cookie.value().to_owned()))
        })
        .collect()
}

/// The value that a response sets for the cookie `name`.
pub fn set_cookie(response: &Response<Bytes>, name: &str) -> Option<String> {
    set_cookies(response.headers()).into_iter().find(|(set, _)| set == name)?.1
}

/// The generation that a refresh token carries in its bytes 18 to 21.
pub fn generation(token: &str) -> u32 {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
    u32::from_be_bytes(bytes[18..22].try_into().unwrap())
}
