//! Step 2: whether the request's cookies count.
//!
//! A browser attaches cookies to requests that other sites start. The rule, in this order:
//!
//! 1. an `Origin` that the application trusts passes;
//! 2. `Sec-Fetch-Site: same-origin` or `none` passes; a top-level navigation with GET or HEAD passes; any other value
//!    fails, `same-site` too, since a sibling host can be in other hands;
//! 3. without that field, the authority of `Origin` must be the request's own; `null` fails;
//! 4. with neither field it passes: not a browser, so nobody's cookies are at stake.
//!
//! It is the rule of Go 1.25's `CrossOriginProtection`, but for safe methods: those pass there, and here only as
//! navigations, since a refresh writes.

use std::net::Ipv6Addr;

use http::{Method, Request, uri::Authority};

use crate::fields::{Field, Fields};

/// What else of a request the rule looks at.
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

/// Whether cookies of this request must be ignored.
pub(crate) fn is_refused(fields: &Fields<'_>, target: &Target, trusted: &[String]) -> bool {
    if let Field::One(origin) = fields.origin
        && trusted.iter().any(|trusted| trusted == origin)
    {
        return false;
    }
    match (fields.fetch_site, fields.origin) {
        (Field::One(site), _) if site == "same-origin" || site == "none" => false,
        (Field::One(_) | Field::Several, _) => !(target.is_safe && is_navigation(fields)),
        (Field::Absent, Field::Absent) => false,
        (Field::Absent, Field::Several) => true,
        (Field::Absent, Field::One(origin)) => !authority(fields, target).is_some_and(|own| {
            split_authority(origin.as_bytes()).is_some_and(|origin| origin.eq_ignore_ascii_case(own))
        }),
    }
}

/// Whether a person follows a link or types an address, in a tab of its own.
pub(crate) fn is_navigation(fields: &Fields<'_>) -> bool {
    fields.fetch_mode.is(b"navigate") && fields.fetch_dest.is(b"document")
}

/// Whether a browser sent the request, as far as the fields tell that no script can set or leave out. Browsers say more
/// of themselves over HTTPS than over plain HTTP, where a GET may say nothing.
#[inline]
pub(crate) fn is_of_browser(fields: &Fields<'_>) -> bool {
    [fields.origin, fields.fetch_site, fields.fetch_mode, fields.fetch_dest]
        .iter()
        .any(|field| !matches!(field, Field::Absent))
}

/// The host and port the client addressed: `:authority` of HTTP/2, the target of HTTP/1.1 in absolute form, or `Host`.
fn authority<'a>(fields: &Fields<'a>, target: &'a Target) -> Option<&'a [u8]> {
    match (&target.authority, fields.host) {
        (Some(authority), _) => Some(authority.as_str().as_bytes()),
        (None, Field::One(host)) => Some(host.as_bytes()),
        (None, Field::Absent | Field::Several) => None,
    }
}

/// Checks that `origin` is what a browser sends as `Origin`: `scheme://host`, with a port unless it is the default.
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

/// Browsers leave out the default, and write no leading zero.
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
