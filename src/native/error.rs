//! Why a token request is refused (RFC 6749 §5.2).

use std::{error::Error, fmt};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::RETRY_AFTER};
use serde::Serialize;

use super::response::json;

/// Why no tokens are given, and the response that says so: JSON with `error` and `error_description` (RFC 6749 §5.2).
///
/// With the feature `axum` it is a response; elsewhere [`to_response`](Self::to_response) makes one. It is what OAuth
/// clients read, so it is no problem document, and no matter of
/// [`AuthBuilder::on_rejection`](crate::AuthBuilder::on_rejection). The same error sits in the response's extensions, for
/// outer layers.
///
/// `temporarily_unavailable` is registered for another endpoint (RFC 6749 §4.1.2.1), and §5.2 has no code for a server
/// that cannot answer. A client that knows the codes of §5.2 alone goes by the status, 503, and by `Retry-After`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// 400 `invalid_request`: the request is malformed.
    #[non_exhaustive]
    InvalidRequest {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// 400 `unsupported_grant_type`: a `grant_type` other than `refresh_token`.
    UnsupportedGrantType,
    /// 400 `invalid_scope`: malformed, or more than the user has. Nothing was changed.
    InvalidScope,
    /// 400 `invalid_grant`: the refresh token does not hold, for whatever reason. The client forgets it, and its user logs
    /// in again.
    InvalidGrant,
    /// 503 `temporarily_unavailable`: the store or the claims source failed. The client keeps its refresh token and tries
    /// again.
    Unavailable,
    /// 503 `temporarily_unavailable`, to be repeated at once: other requests rotated the session again and again meanwhile.
    Overtaken,
}

impl TokenError {
    /// The error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest { .. } => "invalid_request",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidGrant => "invalid_grant",
            Self::Unavailable | Self::Overtaken => "temporarily_unavailable",
        }
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unavailable | Self::Overtaken => StatusCode::SERVICE_UNAVAILABLE,
            Self::InvalidRequest { .. }
            | Self::UnsupportedGrantType
            | Self::InvalidScope
            | Self::InvalidGrant => StatusCode::BAD_REQUEST,
        }
    }

    /// Seconds after which the request may be repeated, for 503.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Unavailable => Some(1),
            Self::Overtaken => Some(0),
            _ => None,
        }
    }

    /// The response, which no cache may store.
    pub fn to_response<B: From<Bytes>>(&self) -> Response<B> {
        let mut response = json(&Body { error: self.code(), error_description: self.to_string() });
        *response.status_mut() = self.status();
        if let Some(seconds) = self.retry_after() {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self.clone());
        response.map(B::from)
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidRequest { reason } => reason,
            Self::UnsupportedGrantType => "the only grant here is refresh_token",
            Self::InvalidScope => "the scope is malformed, or more than was granted",
            Self::InvalidGrant => "the refresh token does not hold",
            Self::Unavailable => "sessions cannot be checked at the moment",
            Self::Overtaken => "the session is being refreshed by other requests",
        })
    }
}

impl Error for TokenError {}

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for TokenError {
    fn into_response(self) -> axum_core::response::Response {
        self.to_response()
    }
}

#[derive(Serialize)]
struct Body {
    error: &'static str,
    error_description: String,
}
