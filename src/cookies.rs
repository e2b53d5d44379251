//! The two cookies: how they are named, set and removed.
//!
//! | | access | refresh |
//! |---|---|---|
//! | name | `__Host-access` | `__Host-refresh` |
//! | attributes | `HttpOnly; Secure; SameSite=Lax; Path=/` | the same |
//! | `Max-Age` | to the token's `exp` | to the session's expiry, at most 400 d |
//!
//! With a domain the prefix is `__Secure-`, since `__Host-` forbids one (RFC 6265bis §4.1.3). `SameSite=Strict`
//! would log a user out who follows a link from a mail; what it adds is the cross-site rule's work.

use std::fmt::Write;

use cookie::{Cookie, SameSite};
use http::HeaderValue;
use time::{Duration, OffsetDateTime};

/// Browsers keep no cookie for longer (RFC 6265bis §5.5).
const LONGEST_MAX_AGE: u64 = 400 * 24 * 60 * 60;

/// Browsers store no cookie whose name and value are longer together (RFC 6265bis §5.6).
pub(crate) const LONGEST_NAME_AND_VALUE: usize = 4096;

/// What a name and the attributes take, unless they are unusually long.
const LONGEST_REST: usize = 128;

#[derive(Clone, Debug)]
pub(crate) struct Cookies {
    access: String,
    refresh: String,
    secure: bool,
    domain: Option<String>,
}

impl Cookies {
    /// `access` and `refresh` are names without prefix.
    pub(crate) fn new(access: &str, refresh: &str, secure: bool, domain: Option<String>) -> Self {
        let prefix = match (secure, &domain) {
            (true, None) => "__Host-",
            (true, Some(_)) => "__Secure-",
            (false, _) => "",
        };
        Self { access: format!("{prefix}{access}"), refresh: format!("{prefix}{refresh}"), secure, domain }
    }

    pub(crate) fn access_name(&self) -> &str {
        &self.access
    }

    pub(crate) fn refresh_name(&self) -> &str {
        &self.refresh
    }

    /// `max_age` in seconds.
    pub(crate) fn set_access(&self, token: &str, max_age: u64) -> Option<HeaderValue> {
        self.set(&self.access, token, max_age)
    }

    /// `max_age` in seconds.
    pub(crate) fn set_refresh(&self, token: &str, max_age: u64) -> Option<HeaderValue> {
        self.set(&self.refresh, token, max_age)
    }

    /// The removal of both, the refresh cookie's last: curl before 8 honours only the last removal of a response.
    pub(crate) fn removals(&self) -> impl Iterator<Item = HeaderValue> {
        [&self.access, &self.refresh].into_iter().filter_map(|name| {
            let mut cookie = self.build(name, "", 0);
            cookie.set_expires(OffsetDateTime::UNIX_EPOCH);
            field(&cookie)
        })
    }

    fn set(&self, name: &str, value: &str, max_age: u64) -> Option<HeaderValue> {
        field(&self.build(name, value, max_age))
    }

    fn build<'a>(&'a self, name: &'a str, value: &'a str, max_age: u64) -> Cookie<'a> {
        let max_age = i64::try_from(max_age.min(LONGEST_MAX_AGE)).unwrap_or(i64::MAX);
        let mut cookie = Cookie::build((name, value))
            .http_only(true)
            .secure(self.secure)
            .same_site(SameSite::Lax)
            .path("/")
            .max_age(Duration::seconds(max_age))
            .build();
        if let Some(domain) = &self.domain {
            cookie.set_domain(domain.as_str());
        }
        cookie
    }
}

fn field(cookie: &Cookie<'_>) -> Option<HeaderValue> {
    // Tokens are long, and the text comes in two dozen pieces.
    let mut text = String::with_capacity(cookie.value().len() + LONGEST_REST);
    write!(text, "{cookie}").ok()?;
    let mut field = HeaderValue::try_from(text).ok()?;
    field.set_sensitive(true);
    Some(field)
}
