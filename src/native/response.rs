//! The response with a refresh token (RFC 6749 §5.1).

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA, X_CONTENT_TYPE_OPTIONS},
};
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use crate::tokens::{IssuedAccess, IssuedRefresh};

/// The body of a native client's login or refresh (RFC 6749 §5.1), **with the refresh token**.
///
/// With the feature `axum` it implements `IntoResponse`; without it, use [`to_response`](Self::to_response). Serialising it
/// writes the tokens, which is its purpose; `Debug` does not. It always contains the access token:
/// [`AuthBuilder::access_token_in_body`](crate::AuthBuilder::access_token_in_body) applies only to browsers.
#[derive(Serialize)]
pub struct NativeTokenResponse {
    #[serde(serialize_with = "as_text")]
    access_token: Zeroizing<String>,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text_if_any")]
    refresh_token: Option<Zeroizing<String>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: Box<str>,
}

impl NativeTokenResponse {
    pub(crate) fn new(access: Arc<IssuedAccess>, refresh: Option<Arc<IssuedRefresh>>) -> Self {
        let access = Arc::unwrap_or_clone(access);
        Self {
            access_token: access.token,
            token_type: "Bearer",
            expires_in: access.expires_in,
            refresh_token: refresh.map(|refresh| Arc::unwrap_or_clone(refresh).token),
            scope: access.scope,
        }
    }

    /// The access token. It authenticates as the user until it expires.
    pub fn access_token(&self) -> &str {
        &self.access_token
    }

    /// The lifetime of the access token, in seconds.
    pub fn expires_in(&self) -> u64 {
        self.expires_in
    }

    /// The refresh token. It authenticates as the user for weeks, so the client keeps it in its most secure storage. `None` after
    /// a refresh that did not rotate: the client keeps the one that it has (RFC 6749 §6).
    pub fn refresh_token(&self) -> Option<&str> {
        self.refresh_token.as_deref().map(String::as_str)
    }

    /// The scope of the access token, as of now; it may differ from that at login. Omitted from the body if it is empty.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// The response, with `Cache-Control: no-store`.
    pub fn to_response<B: From<Bytes>>(&self) -> Response<B> {
        json(self).map(B::from)
    }
}

impl fmt::Debug for NativeTokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeTokenResponse")
            .field("token_type", &self.token_type)
            .field("expires_in", &self.expires_in)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for NativeTokenResponse {
    fn into_response(self) -> axum_core::response::Response {
        self.to_response()
    }
}

/// A JSON response with the headers that RFC 6749 §5.1 requires of responses with tokens. Errors have them too.
pub(crate) fn json(value: &impl Serialize) -> Response<Bytes> {
    let Ok(body) = serde_json::to_vec(value) else {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return response;
    };
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn as_text<S: Serializer>(text: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn as_text_if_any<S: Serializer>(text: &Option<Zeroizing<String>>, serializer: S) -> Result<S::Ok, S::Error> {
    match text {
        Some(text) => as_text(text, serializer),
        None => serializer.serialize_none(),
    }
}
