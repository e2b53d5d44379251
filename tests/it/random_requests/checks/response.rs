//! Properties of every response.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header::WWW_AUTHENTICATE};
use tower_refresh::{Rejection, RejectionKind};

use crate::support::browser::set_cookies;

/// Rejections have their status and their challenge, no other response fails, and no response with a token can be cached.
pub fn assert_consistent(response: &Response<Bytes>) {
    let challenge = response.headers().get(WWW_AUTHENTICATE).map(|header| header.to_str().unwrap());
    let error = |error: &str| challenge.is_some_and(|header| header.contains(&format!("error=\"{error}\"")));
    match response.status() {
        StatusCode::OK => assert!(challenge.is_none(), "{response:?}"),
        StatusCode::UNAUTHORIZED => {
            let invalid = matches!(
                kind(response),
                Some(
                    RejectionKind::InvalidToken(_)
                        | RejectionKind::LoginRequired { expired_bearer: true, .. }
                )
            );
            assert!(challenge.is_some(), "{response:?}");
            assert_eq!(error("invalid_token"), invalid, "{response:?}");
        }
        StatusCode::BAD_REQUEST => assert!(error("invalid_request"), "{response:?}"),
        StatusCode::FORBIDDEN => {
            let kind = kind(response);
            let known = matches!(kind, Some(RejectionKind::CrossSite | RejectionKind::SubjectGone));
            assert!(known, "{response:?}");
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            assert!(response.headers().contains_key("retry-after"), "{response:?}");
        }
        StatusCode::INTERNAL_SERVER_ERROR => {
            let has_invalid_claims = matches!(kind(response), Some(RejectionKind::InvalidClaims { .. }));
            assert!(has_invalid_claims && !carries_tokens(response.headers()), "{response:?}");
            assert!(!response.headers().contains_key("retry-after"), "{response:?}");
        }
        _ => panic!("{response:?}"),
    }
    if carries_tokens(response.headers()) {
        assert_eq!(response.headers()["cache-control"], "private, no-store", "{response:?}");
    }
}

pub fn kind(response: &Response<Bytes>) -> Option<&RejectionKind> {
    response.extensions().get::<Rejection>().map(Rejection::kind)
}

fn carries_tokens(headers: &HeaderMap) -> bool {
    headers.contains_key("x-access-token") || set_cookies(headers).iter().any(|(_, value)| value.is_some())
}
