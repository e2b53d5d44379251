//! The response to a login or refresh in a browser.

use std::fmt;

use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

#[cfg(feature = "axum")]
use crate::native::json;
use crate::tokens::IssuedAccess;

/// The body of a successful login or refresh (RFC 6749 §5.1): the access token, never the refresh token.
///
/// Serialising it writes the token, which is its purpose; `Debug` does not. **A script of the page can then read the access
/// token**, which the `HttpOnly` cookie hides from it. If only pages log in, switch
/// [`AuthBuilder::access_token_in_body`](crate::AuthBuilder::access_token_in_body) off: then only `expires_in` is written.
#[derive(Clone, Serialize)]
pub struct TokenResponse {
    #[serde(skip_serializing_if = "AccessTokenText::is_hidden")]
    access_token: AccessTokenText,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    expires_in: u64,
}

impl TokenResponse {
    pub(super) fn new(access: &IssuedAccess, in_body: bool) -> Self {
        Self {
            access_token: AccessTokenText { text: access.token.clone(), in_body },
            token_type: in_body.then_some("Bearer"),
            expires_in: access.expires_in,
        }
    }

    /// The access token, whether it is serialised or not. It authenticates as the user until it expires.
    pub fn access_token(&self) -> &str {
        &self.access_token.text
    }

    /// The lifetime of the access token, in seconds.
    pub fn expires_in(&self) -> u64 {
        self.expires_in
    }
}

/// As JSON, with `Cache-Control: no-store` (RFC 6749 §5.1).
#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for TokenResponse {
    fn into_response(self) -> axum_core::response::Response {
        json(&self).map(Into::into)
    }
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenResponse")
            .field("token_type", &self.token_type)
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct AccessTokenText {
    text: Zeroizing<String>,
    in_body: bool,
}

impl AccessTokenText {
    fn is_hidden(&self) -> bool {
        !self.in_body
    }
}

impl Serialize for AccessTokenText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
