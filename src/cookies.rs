//! The two cookies: their names, and how they are set and removed.
//!
//! | | access | refresh |
//! |---|---|---|
//! | name | `__Host-access` | `__Host-refresh` |
//! | attributes | `HttpOnly; Secure; SameSite=Lax; Path=/` | the same |
//! | `Max-Age` | to the token's `exp` | to the session's expiry, at most 400 d |
//!
//! Neither has a `Max-Age` if the session is not to outlive the browser
//! ([`LoginOptions::remember`](crate::LoginOptions::remember)).
//!
//! With a domain the prefix is `__Secure-`, since `__Host-` forbids a domain (RFC 6265bis §4.1.3). With `SameSite=Strict` a user
//! who follows a link from a mail would appear logged out; the cross-site rules give the protection that it would add.

use std::fmt::Write;

use cookie::{Cookie, SameSite};
use http::HeaderValue;
use time::{Duration, OffsetDateTime};

/// Browsers keep no cookie for longer, in seconds (RFC 6265bis §5.5).
pub(crate) const LONGEST_MAX_AGE: u64 = 400 * 24 * 60 * 60;

const MAX_AGE: &str = "; Max-Age=";

/// Browsers store no cookie whose name and value are longer together (RFC 6265bis §5.6).
pub(crate) const LONGEST_NAME_AND_VALUE: usize = 4096;

#[derive(Clone, Debug)]
pub(crate) struct Cookies {
    /// The names without prefix.
    pub(crate) base_names: [String; 2],
    pub(crate) secure: bool,
    pub(crate) domain: Option<String>,
    access: String,
    refresh: String,
    attributes: String,
}

impl Default for Cookies {
    fn default() -> Self {
        let cookies = Self {
            base_names: ["access".to_owned(), "refresh".to_owned()],
            secure: true,
            domain: None,
            access: String::new(),
            refresh: String::new(),
            attributes: String::new(),
        };
        cookies.with_prefix()
    }
}

impl Cookies {
    /// `access` and `refresh` are names without prefix.
    pub(crate) fn with_names(self, access: String, refresh: String) -> Self {
        Self { base_names: [access, refresh], ..self }.with_prefix()
    }

    pub(crate) fn with_domain(self, domain: String) -> Self {
        Self { domain: Some(domain), ..self }.with_prefix()
    }

    pub(crate) fn insecure(self) -> Self {
        Self { secure: false, ..self }.with_prefix()
    }

    fn with_prefix(self) -> Self {
        let prefix = match (self.secure, &self.domain) {
            (true, None) => "__Host-",
            (true, Some(_)) => "__Secure-",
            (false, _) => "",
        };
        let [access, refresh] = self.base_names.each_ref().map(|name| format!("{prefix}{name}"));
        let cookie = self.build("").to_string();
        let attributes =
            cookie.split_once("; ").map(|(_, attributes)| attributes.to_owned()).unwrap_or_default();
        Self { access, refresh, attributes, ..self }
    }

    pub(crate) fn access_name(&self) -> &str {
        &self.access
    }

    pub(crate) fn refresh_name(&self) -> &str {
        &self.refresh
    }

    /// The attributes of a cookie that is set, but for its `Max-Age`, as a browser compares them.
    pub(crate) fn attributes(&self) -> &str {
        &self.attributes
    }

    /// `max_age` in seconds. Without one, the browser keeps the cookie until it closes.
    pub(crate) fn set_access(&self, token: &str, max_age: Option<u64>) -> Option<HeaderValue> {
        self.set(&self.access, token, max_age)
    }

    /// As [`set_access`](Self::set_access).
    pub(crate) fn set_refresh(&self, token: &str, max_age: Option<u64>) -> Option<HeaderValue> {
        self.set(&self.refresh, token, max_age)
    }

    /// The removal of both cookies, the refresh cookie last: curl before 8 honours only the last removal of a response.
    pub(crate) fn removals(&self) -> impl Iterator<Item = HeaderValue> {
        [&self.access, &self.refresh].into_iter().filter_map(|name| {
            let mut cookie = self.build(name);
            cookie.set_max_age(Duration::ZERO);
            cookie.set_expires(OffsetDateTime::UNIX_EPOCH);
            header_value(cookie.to_string())
        })
    }

    /// As the `cookie` crate writes it, but in one piece: it costs five times as much, and most of the cookies are set here.
    fn set(&self, name: &str, value: &str, max_age: Option<u64>) -> Option<HeaderValue> {
        let max_age = max_age.map(|max_age| max_age.min(LONGEST_MAX_AGE));
        let max_age_len =
            max_age.map_or(0, |max_age| MAX_AGE.len() + 1 + max_age.checked_ilog10().unwrap_or(0) as usize);
        let parts = [name, "=", value, "; ", &self.attributes];
        // Without room for more: a buffer that is full is taken as it is.
        let len = parts.map(str::len).into_iter().sum::<usize>() + max_age_len;
        let mut text = String::with_capacity(len);
        text.extend(parts);
        if let Some(max_age) = max_age {
            write!(text, "{MAX_AGE}{max_age}").ok()?;
        }
        header_value(text)
    }

    fn build<'a>(&'a self, name: &'a str) -> Cookie<'a> {
        let mut cookie = Cookie::build((name, ""))
            .http_only(true)
            .secure(self.secure)
            .same_site(SameSite::Lax)
            .path("/")
            .build();
        if let Some(domain) = &self.domain {
            cookie.set_domain(domain.as_str());
        }
        cookie
    }
}

fn header_value(text: String) -> Option<HeaderValue> {
    let mut header = HeaderValue::try_from(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_written_as_the_cookie_crate_writes_them() {
        let named = || Cookies::default().with_names("a".into(), "r".into());
        for (cookies, reason) in [
            (Cookies::default(), "the defaults"),
            (named(), "other names"),
            (named().with_domain("example.com".into()), "a domain"),
            (named().insecure(), "without `Secure`"),
        ] {
            for max_age in [None, Some(0), Some(9), Some(10), Some(34_559_999), Some(u64::MAX)] {
                let mut cookie = cookies.build(cookies.access_name());
                cookie.set_value("token");
                if let Some(max_age) = max_age {
                    cookie.set_max_age(Duration::seconds(max_age.min(LONGEST_MAX_AGE).try_into().unwrap()));
                }
                let set = cookies.set_access("token", max_age).unwrap();
                assert_eq!(set.to_str().unwrap(), cookie.to_string(), "{reason}, {max_age:?}");
            }
        }
    }
}
