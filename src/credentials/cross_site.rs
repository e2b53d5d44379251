//! Step 2: whether the cookies of a request count.
//!
//! A browser attaches cookies to requests that other sites start. The rules, in this order:
//!
//! 1. an `Origin` that the application trusts passes;
//! 2. `Sec-Fetch-Site: same-origin` or `none` passes, and so does a top-level navigation with GET or HEAD; any other value
//!    fails, `same-site` too, since another party may control a sibling host;
//! 3. without `Sec-Fetch-Site`, the authority of `Origin` must be that of the request; `null` fails;
//! 4. without both headers the request passes: it does not come from a browser, so no user's cookies are at risk.
//!
//! These are the rules of Go 1.25's `CrossOriginProtection`, except for safe methods: those pass there, and here only as
//! navigations, since a refresh writes.

use std::net::Ipv6Addr;

use http::{Method, Request, uri::Authority};

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
        (HeaderField::Absent, HeaderField::One(origin)) => !authority(headers, target).is_some_and(|own| {
            split_authority(origin.as_bytes()).is_some_and(|origin| origin.eq_ignore_ascii_case(own))
        }),
    }
}

/// Whether the request is a top-level navigation: a person follows a link or types an address.
pub(crate) fn is_navigation(headers: &RequestHeaders<'_>) -> bool {
    headers.fetch_mode.is(b"navigate") && headers.fetch_dest.is(b"document")
}

/// Whether a browser sent the request, judged by headers that no script can set or omit. Over plain HTTP a browser may send
/// none of them with a GET.
#[inline]
pub(crate) fn is_from_browser(headers: &RequestHeaders<'_>) -> bool {
    [headers.origin, headers.fetch_site, headers.fetch_mode, headers.fetch_dest]
        .iter()
        .any(|header| !matches!(header, HeaderField::Absent))
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

fn split_authority(origin: &[u8]) -> Option<&[u8]> {
    let colon = origin.iter().position(|byte| *byte == b':')?;
    origin[colon..].strip_prefix(b"://").filter(|authority| !authority.is_empty())
}
