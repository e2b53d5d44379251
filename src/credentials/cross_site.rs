//! Step 2: whether the cookies of a request count.
//!
//! A browser attaches cookies to requests that other sites start. The rules, in this order:
//!
//! 1. an `Origin` that the application trusts passes;
//! 2. `Sec-Fetch-Site: same-origin` or `none` passes, and so does a top-level navigation with GET or HEAD; any other value
//!    fails, `same-site` too, since another party may control a sibling host;
//! 3. without `Sec-Fetch-Site`, the authority of `Origin` must be that of the request, with or without the default port; `null`
//!    fails;
//! 4. without both headers the request passes: it does not come from a browser, so no user's cookies are at risk.
//!
//! These are the rules of Go 1.25's `CrossOriginProtection`, except for safe methods: those pass there, and here only as
//! navigations, since a refresh writes.
//!
//! A navigation that another site started is read-only: that site can start one and discard its response, again and again, so
//! nothing may depend on the arrival of the response. See [`Navigation`].

use std::net::Ipv6Addr;

use http::{Method, Request, uri::Authority};
use memchr::memchr;

use super::headers::{HeaderField, RequestHeaders};

/// What the rules need of the request line.
pub(crate) struct Target {
    is_safe: bool,
    authority: Option<Authority>,
}

impl Target {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let is_safe = *request.method() == Method::GET || *request.method() == Method::HEAD;
        Self { is_safe, authority: request.uri().authority().cloned() }
    }
}

/// Whether the cookies of the request must be ignored.
pub(crate) fn is_cross_site(headers: &RequestHeaders<'_>, target: &Target, trusted: &[String]) -> bool {
    if let HeaderField::One(origin) = headers.origin
        && trusted.iter().any(|trusted| trusted == origin)
    {
        return false;
    }
    match (headers.fetch_site, headers.origin) {
        (HeaderField::One(site), _) if site == "same-origin" || site == "none" => false,
        (HeaderField::One(_) | HeaderField::Several, _) => !(target.is_safe && is_navigation(headers)),
        (HeaderField::Absent, HeaderField::Absent) => false,
        (HeaderField::Absent, HeaderField::Several) => true,
        (HeaderField::Absent, HeaderField::One(origin)) => {
            !authority(headers, target).is_some_and(|own| is_of_authority(origin.as_bytes(), own))
        }
    }
}

/// A navigation of a browser, by who started it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Navigation {
    /// Not a navigation.
    #[default]
    No,
    /// A top-level navigation that the application's own pages, or the user, started.
    Own,
    /// A navigation of our own that a service worker passed on, and so perhaps not a top-level one.
    OwnThroughServiceWorker,
    /// A navigation that another site started. It reads, and changes nothing.
    Elsewhere,
}

/// With a cookie domain, `same-site` requests count as the application's own: every host below the domain has the cookies.
pub(crate) fn navigation(headers: &RequestHeaders<'_>, has_cookie_domain: bool) -> Navigation {
    if !is_navigation(headers) {
        return Navigation::No;
    }
    let site = headers.fetch_site;
    let is_own = site.is(b"same-origin") || site.is(b"none") || has_cookie_domain && site.is(b"same-site");
    match is_own {
        true if headers.fetch_dest.is(b"document") => Navigation::Own,
        true => Navigation::OwnThroughServiceWorker,
        false => Navigation::Elsewhere,
    }
}

/// Whether no script can read the response to a navigation. One that a service worker passes on is a response to that script.
pub(crate) fn is_hidden_from_scripts(headers: &RequestHeaders<'_>) -> bool {
    is_navigation(headers)
        && headers.fetch_dest.is(b"document")
        && matches!(headers.navigation_preload, HeaderField::Absent)
}

/// Whether a person follows a link or types an address. A service worker that passes the request on leaves `empty` as its
/// destination; frames have another one.
fn is_navigation(headers: &RequestHeaders<'_>) -> bool {
    headers.fetch_mode.is(b"navigate")
        && (headers.fetch_dest.is(b"document") || headers.fetch_dest.is(b"empty"))
}

/// Whether a browser sent the request: it has `Origin` or `Sec-Fetch-Site`, which no script can set or omit. Over plain HTTP a
/// browser may send neither with a GET. The other `Sec-Fetch-…` headers do not count: Node's fetch sends `Sec-Fetch-Mode` too.
#[inline]
pub(crate) fn is_from_browser(headers: &RequestHeaders<'_>) -> bool {
    [headers.origin, headers.fetch_site].iter().any(|header| !matches!(header, HeaderField::Absent))
}

/// The host and port of the request: `:authority` of HTTP/2, the target of HTTP/1.1 in absolute form, or `Host`.
fn authority<'a>(headers: &RequestHeaders<'a>, target: &'a Target) -> Option<&'a [u8]> {
    match (&target.authority, headers.host) {
        (Some(authority), _) => Some(authority.as_str().as_bytes()),
        (None, HeaderField::One(host)) => Some(host.as_bytes()),
        (None, HeaderField::Absent | HeaderField::Several) => None,
    }
}

/// Whether `origin` has the form that a browser sends as `Origin`: `scheme://host`, with a port unless it is the default.
pub(crate) fn is_origin(origin: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    is_scheme(scheme) && is_host(host) && port.is_none_or(|port| is_port(scheme, port))
}

fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte))
}

fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => {
            address.parse::<Ipv6Addr>().is_ok() && !address.contains(|c: char| c.is_ascii_uppercase())
        }
        None => {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte))
        }
    }
}

/// Browsers omit the default port, and write no leading zero.
fn is_port(scheme: &str, port: &str) -> bool {
    let default = match scheme {
        "http" => 80,
        "https" => 443,
        _ => 0,
    };
    port.parse::<u16>().is_ok_and(|number| number != default && number.to_string() == port)
}

/// Whether `origin` is an origin of the authority `own`. Browsers omit the default port of the scheme; `own` may name it (RFC
/// 9110 §4.2.3).
fn is_of_authority(origin: &[u8], own: &[u8]) -> bool {
    let Some(colon) = memchr(b':', origin) else { return false };
    let (scheme, rest) = origin.split_at(colon);
    let Some(authority) = rest.strip_prefix(b"://").filter(|authority| !authority.is_empty()) else {
        return false;
    };
    let default_port: &[u8] = match scheme {
        b"http" => b":80",
        b"https" => b":443",
        _ => b"",
    };
    authority.eq_ignore_ascii_case(own.strip_suffix(default_port).unwrap_or(own))
}
