//! Requests through the layer.

use http::StatusCode;

use super::{
    issuer::Key,
    service::{Service, with_bearer},
};
use crate::support::request;

#[tokio::test]
async fn a_request_with_a_valid_token_is_authenticated_after_one_fetch() {
    let service = Service::new();
    for _ in 0..3 {
        let response = service.send(with_bearer(&Key::Ed.valid())).await;
        assert_eq!((response.status(), response.body().as_ref()), (StatusCode::OK, &b"alice"[..]));
    }
    assert_eq!(service.endpoint.calls(), 1);
    assert_eq!(service.take_events(), []);
}

#[tokio::test]
async fn a_request_without_a_token_fetches_nothing() {
    let service = Service::new();
    let response = service.send(request("/me", &[])).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"https://login.example.com\"");
    assert_eq!(service.send(request("/optional", &[])).await.body().as_ref(), b"-");
    assert_eq!(service.endpoint.calls(), 0);
}
