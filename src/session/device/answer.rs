//! The responses to a browser that registers a device or proves it.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
};
use tower_refresh_core::{SessionHandle, SessionRow};

use super::origin;
use crate::{
    CustomClaims,
    device::{self, Challenge, ChallengeError},
    session::Session,
    settings::DeviceSettings,
};

impl<C: CustomClaims> Session<C> {
    /// 200 with the session instructions, and the next challenge if there is one.
    pub(super) fn instruct(
        &self,
        device: &DeviceSettings,
        identifier: &str,
        next: Option<HeaderValue>,
        headers: &HeaderMap,
    ) -> Response<Bytes> {
        // A browser sends its origin, and every HTTP/1.1 client its host.
        let Some(origin) = origin(headers) else { return respond(StatusCode::BAD_REQUEST, Vec::new()) };
        let body = device::instructions(&self.state.auth.settings, device, identifier, &origin);
        let mut response = respond(StatusCode::OK, body);
        if let Some(next) = next {
            response.headers_mut().insert(device::headers::CHALLENGE, next);
        }
        response
    }

    /// 403 with a challenge that the browser is to sign.
    pub(super) fn challenge(&self, challenge: HeaderValue) -> Response<Bytes> {
        let mut response = respond(StatusCode::FORBIDDEN, Vec::new());
        response.headers_mut().insert(device::headers::CHALLENGE, challenge);
        response
    }

    /// 401 with the instruction to forget the session, which is over.
    pub(super) fn forget(&self) -> Response<Bytes> {
        respond(StatusCode::UNAUTHORIZED, device::forget())
    }

    /// The challenge for the next proof of the session of `row`; `None` if it has no binding of a known format.
    pub(super) fn next_challenge(
        &self,
        row: &SessionRow,
        identifier: &str,
    ) -> Result<Option<HeaderValue>, ChallengeError> {
        let Some(counter) = row.binding.as_ref().and_then(|binding| binding.counter()) else {
            return Ok(None);
        };
        let tokens = self.state.auth.tokens();
        let challenge = Challenge::Refresh { handle: row.handle, counter };
        let challenge = challenge.encode(&tokens.keys(), tokens.device_context())?;
        Ok(device::headers::challenge(&challenge, identifier))
    }

    pub(super) fn identifier(&self, handle: SessionHandle) -> Result<String, ChallengeError> {
        let tokens = self.state.auth.tokens();
        Ok(device::identifier::encode(handle, &tokens.keys(), tokens.device_context())?)
    }
}

/// A response that no cache stores: it has a challenge or a cookie.
pub(super) fn respond(status: StatusCode, body: Vec<u8>) -> Response<Bytes> {
    let is_json = !body.is_empty();
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    if is_json {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
}
