//! Step 6: the headers that carry tokens.
//!
//! They are set on every status. The handler's own `Set-Cookie` headers stay. Its caching headers are replaced, since a shared
//! cache that stores a response with a token hands the session of one user to another.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, SET_COOKIE, VARY},
};

use crate::{
    device,
    settings::{AccessTransport, Settings},
    tokens::{Issued, IssuedAccess},
};

/// Adds the issued tokens; the access token is sent as the request's was received.
pub(super) fn add(headers: &mut HeaderMap, settings: &Settings, transport: AccessTransport, issued: &Issued) {
    if issued.access.is_none() && issued.refresh.is_none() && issued.offer.is_none() {
        return;
    }
    if let Some(access) = &issued.access {
        add_access(headers, settings, transport, access);
    }
    if let Some(refresh) = &issued.refresh {
        append(headers, settings.cookies.set_refresh(&refresh.token, refresh.max_age));
    }
    if let Some(offer) = &issued.offer {
        headers.insert(device::headers::REGISTRATION, offer.clone());
    }
    forbid_caching(headers);
}

/// Adds the removal of both cookies.
pub(super) fn remove_cookies(headers: &mut HeaderMap, settings: &Settings) {
    headers.extend(settings.cookies.removals().map(|removal| (SET_COOKIE, removal)));
    forbid_caching(headers);
}

/// Replaces the caching headers of the handler.
pub(super) fn forbid_caching(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    let others: Vec<_> = headers.keys().filter(|name| is_caching_header(name)).cloned().collect();
    for name in others {
        headers.remove(name);
    }
    headers.append(VARY, HeaderValue::from_static("Cookie"));
}

/// Whether a cache obeys the header beside or before `Cache-Control`: those of CDNs (RFC 9213 and its vendors' own), and
/// nginx's.
pub(crate) fn is_caching_header(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.ends_with("-cache-control")
        || matches!(name, "expires" | "surrogate-control" | "edge-control" | "x-accel-expires")
}

fn add_access(
    headers: &mut HeaderMap,
    settings: &Settings,
    transport: AccessTransport,
    access: &IssuedAccess,
) {
    match (transport, &settings.transports.header) {
        (AccessTransport::Header, Some(name)) => {
            let Ok(mut value) = HeaderValue::try_from(access.token.as_str()) else { return };
            value.set_sensitive(true);
            headers.insert(name, value);
            headers.append(ACCESS_CONTROL_EXPOSE_HEADERS, name.clone().into());
        }
        _ => append(headers, settings.cookies.set_access(&access.token, access.max_age)),
    }
}

fn append(headers: &mut HeaderMap, set_cookie: Option<HeaderValue>) {
    if let Some(set_cookie) = set_cookie {
        headers.append(SET_COOKIE, set_cookie);
    }
}
