//! Why a token request is rejected (RFC 6749 §5.2).

use std::{error::Error, fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::RETRY_AFTER};
use serde::Serialize;

use super::response::json;
use crate::{InvalidClaimsReason, refresh::RefreshError};

/// Why a token request is rejected, and the response for it: JSON with `error` and `error_description` (RFC 6749 §5.2).
///
/// With the feature `axum` it implements `IntoResponse`; without it, use [`to_response`](Self::to_response). OAuth clients read
/// it, so it is not a problem document, and [`AuthBuilder::on_rejection`](crate::AuthBuilder::on_rejection) does not apply. The
/// same error is in the response's extensions, for outer layers.
///
/// `temporarily_unavailable` and `server_error` are registered for another endpoint (RFC 6749 §4.1.2.1), because §5.2 has no code
/// for a server that cannot answer. A client that knows only the codes of §5.2 uses the status, 503 or 500, and `Retry-After`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// 400 `invalid_request`: the request is malformed.
    #[non_exhaustive]
    InvalidRequest {
        /// What is wrong.
        reason: &'static str,
    },
    /// 400 `unsupported_grant_type`: a `grant_type` other than `refresh_token`.
    UnsupportedGrantType,
    /// 400 `invalid_scope`: the scope is malformed, or exceeds that of the user. Nothing was changed.
    InvalidScope,
    /// 400 `invalid_grant`: the refresh token is invalid, expired or revoked. The client discards it, and the user logs in
    /// again.
    InvalidGrant,
    /// 400 `invalid_grant`: [`AuthBuilder::assess`](crate::AuthBuilder::assess) requires a login of this request. Nothing was
    /// changed, and the session goes on; OAuth clients discard the refresh token nevertheless, and the user logs in again.
    LoginRequired,
    /// 503 `temporarily_unavailable`: the store or the claims source failed. The client keeps its refresh token and tries
    /// again.
    Unavailable,
    /// 503 `temporarily_unavailable`: other requests kept rotating the session meanwhile, or the refresh token is the previous one,
    /// after the grace period, and no late budget is left. The client repeats the request with the newest token that it has.
    Overtaken,
    /// 500 `server_error`: the claims or the scope from the claims source do not fit into an access token. The client keeps its
    /// refresh token, which is valid again as soon as they fit.
    #[non_exhaustive]
    InvalidClaims {
        /// What is wrong.
        reason: InvalidClaimsReason,
    },
}

impl TokenError {
    /// The error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest { .. } => "invalid_request",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidGrant | Self::LoginRequired => "invalid_grant",
            Self::Unavailable | Self::Overtaken => "temporarily_unavailable",
            Self::InvalidClaims { .. } => "server_error",
        }
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unavailable | Self::Overtaken => StatusCode::SERVICE_UNAVAILABLE,
            Self::InvalidClaims { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            Self::InvalidRequest { .. }
            | Self::UnsupportedGrantType
            | Self::InvalidScope
            | Self::InvalidGrant
            | Self::LoginRequired => StatusCode::BAD_REQUEST,
        }
    }

    /// The time after which the client may repeat the request, for 503: `Retry-After`, in whole seconds.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable | Self::Overtaken => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    /// The response, with `Cache-Control: no-store`.
    pub fn to_response<B: From<Bytes>>(&self) -> Response<B> {
        let mut response = json(&Body { error: self.code(), error_description: self.to_string() });
        *response.status_mut() = self.status();
        if let Some(delay) = self.retry_after() {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(delay.as_secs()));
        }
        response.extensions_mut().insert(self.clone());
        response.map(B::from)
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidRequest { reason } => reason,
            Self::UnsupportedGrantType => "the only supported grant_type is refresh_token",
            Self::InvalidScope => "the scope is malformed, or exceeds the granted scope",
            Self::InvalidGrant => "the refresh token is invalid, expired or revoked",
            Self::LoginRequired => "the user must log in again",
            Self::Unavailable => "sessions cannot be checked at the moment",
            Self::Overtaken => "other requests are refreshing the session",
            Self::InvalidClaims { reason } => {
                return write!(f, "the claims do not fit into an access token: {reason}");
            }
        })
    }
}

impl Error for TokenError {}

impl From<RefreshError> for TokenError {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Inactive | RefreshError::Unproven => Self::InvalidGrant,
            RefreshError::LoginRequired => Self::LoginRequired,
            RefreshError::Overtaken => Self::Overtaken,
            RefreshError::Unavailable => Self::Unavailable,
            RefreshError::InvalidClaims(reason) => Self::InvalidClaims { reason },
        }
    }
}

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
