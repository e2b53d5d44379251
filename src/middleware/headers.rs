//! Step 6: what the response carries.
//!
//! On every status. The handler's own `Set-Cookie` fields stay; what it said of caching gives way, since a shared
//! cache that stores a response with a token hands one user's session to another.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, EXPIRES, SET_COOKIE, VARY},
};

use crate::{
    auth::settings::{Channel, Settings},
    refresh::{Issued, IssuedAccess},
};

const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");
const SURROGATE_CONTROL: HeaderName = HeaderName::from_static("surrogate-control");

/// Adds the tokens that were issued; an access token goes where the request's came from.
pub(crate) fn add_tokens(headers: &mut HeaderMap, settings: &Settings, channel: Channel, issued: &Issued) {
    if issued.access.is_none() && issued.refresh.is_none() {
        return;
    }
    if let Some(access) = &issued.access {
        add_access(headers, settings, channel, access);
    }
    if let Some(refresh) = &issued.refresh {
        append(headers, settings.cookies.set_refresh(&refresh.token, refresh.max_age));
    }
    forbid_caching(headers);
}

/// Adds the removal of both cookies.
pub(crate) fn remove_cookies(headers: &mut HeaderMap, settings: &Settings) {
    headers.extend(settings.cookies.removals().map(|removal| (SET_COOKIE, removal)));
    forbid_caching(headers);
}

fn add_access(headers: &mut HeaderMap, settings: &Settings, channel: Channel, access: &IssuedAccess) {
    match (channel, &settings.channels.header) {
        (Channel::Header, Some(name)) => {
            let Ok(mut value) = HeaderValue::try_from(access.token.as_str()) else { return };
            value.set_sensitive(true);
            headers.insert(name, value);
            headers.append(ACCESS_CONTROL_EXPOSE_HEADERS, name.clone().into());
        }
        _ => append(headers, settings.cookies.set_access(&access.token, access.expires_in)),
    }
}

fn append(headers: &mut HeaderMap, set_cookie: Option<HeaderValue>) {
    if let Some(set_cookie) = set_cookie {
        headers.append(SET_COOKIE, set_cookie);
    }
}

/// Replaces what the handler said of caching.
pub(crate) fn forbid_caching(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.remove(CDN_CACHE_CONTROL);
    headers.remove(SURROGATE_CONTROL);
    headers.remove(EXPIRES);
    headers.append(VARY, HeaderValue::from_static("Cookie"));
}
