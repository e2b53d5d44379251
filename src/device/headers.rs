//! The other headers of device-bound sessions.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::structured;
use crate::event::DeviceRefreshSkipped;

/// The request header with a proof: see [`proof::read_response`](super::proof::read_response).
pub(crate) const RESPONSE: HeaderName = HeaderName::from_static("secure-session-response");
/// The response header that offers a registration.
pub(crate) const REGISTRATION: HeaderName = HeaderName::from_static("secure-session-registration");
/// The response header with the challenge for the next proof.
pub(crate) const CHALLENGE: HeaderName = HeaderName::from_static("secure-session-challenge");
/// The request header that names the session of a refresh. Scripts cannot set it.
pub(crate) const SESSION_ID: HeaderName = HeaderName::from_static("sec-secure-session-id");
/// The request header of a browser that did not refresh. Scripts can set it.
pub(crate) const SKIPPED: HeaderName = HeaderName::from_static("secure-session-skipped");

/// The value of `Secure-Session-Registration`, which is sensitive: the challenge is good for a registration. `None` if the path has
/// characters that no structured string can have.
pub(crate) fn registration(path: &str, challenge: &str) -> Option<HeaderValue> {
    let (path, challenge) = (structured::quote(path)?, structured::quote(challenge)?);
    let mut value = HeaderValue::try_from(format!("(ES256 RS256);path={path};challenge={challenge}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The value of `Secure-Session-Challenge`: the challenge for the session with this identifier. `None` as above.
pub(crate) fn challenge(challenge: &str, identifier: &str) -> Option<HeaderValue> {
    let (challenge, identifier) = (structured::quote(challenge)?, structured::quote(identifier)?);
    HeaderValue::try_from(format!("{challenge};id={identifier}")).ok()
}

/// The identifier of the session that a request refreshes, bare or quoted, without its quotes. `None` if the header is missing,
/// repeated or malformed.
pub(crate) fn session_id(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(&SESSION_ID).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    structured::string(value.as_bytes())
}

/// Why the browser skipped a refresh: the first reason of the draft in `Secure-Session-Skipped`, a list that may be spread over
/// several headers. Values that are not lists of tokens are ignored.
pub(crate) fn skipped(headers: &HeaderMap) -> Option<DeviceRefreshSkipped> {
    let known = [
        DeviceRefreshSkipped::Unreachable,
        DeviceRefreshSkipped::ServerError,
        DeviceRefreshSkipped::QuotaExceeded,
    ];
    let values = headers.get_all(&SKIPPED).iter();
    let mut tokens = values.filter_map(|value| structured::tokens(value.as_bytes())).flatten();
    tokens.find_map(|token| known.into_iter().find(|reason| token == reason.as_str().as_bytes()))
}
