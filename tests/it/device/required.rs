//! Routes that need a proof of the device.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;
use tower::{Layer, ServiceExt, service_fn};
use tower_refresh::{
    DeviceBinding, Rejection, RejectionKind, Verifier,
    event::{EventKind, RejectionReason},
    keys::{Algorithm, VerifyingKey},
};

use super::{CONFIRMED, bound_browser, proven::prove, world};
use crate::support::{
    Claims, World,
    probe::{ACCESS_LIFETIME, with_bearer},
    request,
    world::{AUDIENCE, ISSUER, SECRET},
};

const REQUIRED: EventKind = EventKind::Rejected(RejectionReason::DeviceBindingRequired);

/// The response of a route that needs a proof of the device.
async fn guarded(world: &World, request: Request<()>) -> Response<Bytes> {
    let respond = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(Bytes::new())));
    let service = world.auth.layer().layer(world.auth.require_device_binding().layer(respond));
    service.oneshot(request).await.unwrap()
}

#[tokio::test]
async fn a_user_without_a_proof_of_the_device_is_forbidden() {
    for binding in [DeviceBinding::Enforce, DeviceBinding::Observe] {
        let world = world(binding);
        let (mut browser, _) = bound_browser(&world, CONFIRMED).await;
        let response = guarded(&world, browser.request("/")).await;
        assert_eq!(response.status(), 403, "{binding:?}");
        assert!(!response.headers().contains_key("www-authenticate"));
        let problem: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(problem["detail"], "a session that is bound to this device is required");
        let rejection = response.extensions().get::<Rejection>().unwrap();
        assert_eq!(rejection.kind(), &RejectionKind::DeviceBindingRequired);
        assert_eq!(world.take_events(), [REQUIRED], "{binding:?}");
        prove(&mut browser);
        assert_eq!(guarded(&world, browser.request("/")).await.status(), 200, "{binding:?}");
        assert_eq!(world.take_events(), []);
    }
}

/// A refresh token that refreshes is no proof.
#[tokio::test]
async fn a_refresh_token_alone_does_not_open_the_route() {
    for (binding, status) in [(DeviceBinding::Enforce, 401), (DeviceBinding::Observe, 403)] {
        let world = world(binding);
        let (mut browser, _) = bound_browser(&world, CONFIRMED).await;
        prove(&mut browser);
        world.clock.advance(ACCESS_LIFETIME);
        assert_eq!(guarded(&world, browser.request("/")).await.status(), status, "{binding:?}");
    }
}

#[tokio::test]
async fn an_anonymous_request_is_rejected_as_everywhere() {
    let world = world(DeviceBinding::Enforce);
    let response = guarded(&world, request("/", &[])).await;
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"https://api.example.com\"");
    let response = guarded(&world, with_bearer("/", "no.access.token")).await;
    assert_eq!(response.status(), 401);
}

/// In a development without TLS the setting is off, and what is sensitive stays closed.
#[tokio::test]
async fn without_the_setting_no_user_passes() {
    let world = World::new();
    let browser = crate::support::Browser::logged_in(&world, "alice").await;
    assert_eq!(guarded(&world, browser.request("/")).await.status(), 403);
}

#[tokio::test]
async fn a_service_that_verifies_our_tokens_can_require_it_as_well() {
    let world = world(DeviceBinding::Enforce);
    let (mut browser, _) = bound_browser(&world, CONFIRMED).await;
    let verifier = Verifier::<Claims>::builder()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .algorithms([Algorithm::Hs256])
        .clock(world.clock.clone())
        .keys([VerifyingKey::from_secret(Algorithm::Hs256, SECRET).unwrap()])
        .build()
        .unwrap();
    let guarded = async |request: Request<()>| {
        let respond = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(Bytes::new())));
        let service = verifier.layer().layer(verifier.require_device_binding().layer(respond));
        service.oneshot(request).await.unwrap().status().as_u16()
    };
    assert_eq!(guarded(with_bearer("/", browser.access().unwrap())).await, 403);
    prove(&mut browser);
    assert_eq!(guarded(with_bearer("/", browser.access().unwrap())).await, 200);
    assert_eq!(guarded(request("/", &[])).await, 401);
}
