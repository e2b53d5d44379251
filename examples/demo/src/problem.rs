//! Error responses: all are problem documents (RFC 9457).

use std::borrow::Cow;

use axum::{
    body::{Body, to_bytes},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use serde_json::json;

/// An error of a handler.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: Cow<'static, str>,
}

const MEDIA_TYPE: &str = "application/problem+json";
const LONGEST_DETAIL: usize = 16 * 1024;

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, detail: detail.into() }
    }

    pub(crate) fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    fn body(&self) -> Body {
        let title = title(self.status);
        json!({
            "type": "about:blank",
            "title": title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        })
        .to_string()
        .into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(self.body());
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        response
    }
}

/// Converts all other errors to problem documents: axum responds to unknown routes, unsupported methods, malformed queries and
/// malformed bodies with plain text or without a body. Errors in JSON come from the token endpoint (RFC 6749 §5.2).
pub(crate) async fn from_any_error(response: Response) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() || has_json_body(response.headers()) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let text = to_bytes(body, LONGEST_DETAIL).await.unwrap_or_default();
    let detail = match str::from_utf8(&text) {
        Ok("") | Err(_) => title(status).to_owned(),
        Ok(text) => text.to_owned(),
    };
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    Response::from_parts(head, Problem::new(status, detail).body())
}

fn has_json_body(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|media_type| media_type == MEDIA_TYPE || media_type == "application/json")
}

fn title(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}
