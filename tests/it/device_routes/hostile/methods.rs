//! The methods of the routes.
#![cfg(feature = "axum")]

use axum::body::Body;
use http::{Method, StatusCode};
use tower::ServiceExt;

use super::{super::both, scene::Scene};

#[tokio::test]
async fn the_routes_of_a_device_have_one_method() {
    for (world, binding) in both() {
        let scene = Scene::confirmed(world).await;
        let router = scene.world.auth.routes::<()>().layer(scene.world.auth.layer());
        let register = scene.bound.registration(&scene.bound.device.registration(&scene.offer));
        for (request, refused) in
            [(register, StatusCode::FORBIDDEN), (scene.bound.refresh_request(), StatusCode::OK)]
        {
            for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "POST"] {
                let mut sent = http::Request::new(Body::empty());
                *sent.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
                *sent.uri_mut() = request.uri().clone();
                sent.headers_mut().clone_from(request.headers());
                let response = router.clone().oneshot(sent).await.unwrap();
                let case = format!("{method} {}, {binding:?}", request.uri());
                let expected = if method == "POST" { refused } else { StatusCode::METHOD_NOT_ALLOWED };
                assert_eq!(response.status(), expected, "{case}");
                let is_minted = response.headers().contains_key("set-cookie");
                assert_eq!(is_minted, response.status() == StatusCode::OK, "{case}");
            }
        }
    }
}
