//! The headers of a device on requests of a script: they change nothing for the better.

use http::{Request, StatusCode};
use tower_refresh::{DeviceBinding, FeedLossPolicy};

use super::world;
use crate::support::{
    Browser, World,
    probe::{ACCESS_LIFETIME, carries_nothing},
};

const HEADERS: [&str; 2] = ["secure-session-response", "sec-secure-session-id"];

fn with_header(browser: &Browser, path: &str, name: &'static str) -> Request<()> {
    let mut request = browser.request(path);
    request.headers_mut().insert(name, "anything".parse().unwrap());
    request
}

#[tokio::test]
async fn the_headers_of_a_device_do_not_save_an_access_token_whose_session_has_ended() {
    for name in HEADERS {
        let world = World::with(|builder| {
            builder.device_binding(DeviceBinding::Enforce).feed_loss_policy(FeedLossPolicy::AskStore)
        });
        world.store.lose_feed();
        let browser = Browser::logged_in(&world, "alice").await;
        let other = World::on(world.clock.clone(), world.store.clone(), |builder| builder);
        browser.clone().get(&other, "/logout").await;
        for path in ["/me", "/data/tenant", "/refresh", "/reauthenticate"] {
            let response = world.send(with_header(&browser, path, name)).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{name} {path}");
            assert!(carries_nothing(&response), "{name} {path}");
        }
    }
}

#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
#[tokio::test]
async fn the_headers_of_a_device_do_not_save_an_access_token_with_outdated_claims() {
    for name in HEADERS {
        let world = world(DeviceBinding::Enforce);
        let (mut browser, _) = super::bound_browser(&world, super::CONFIRMED).await;
        super::proven::prove(&mut browser);
        world.clock.advance(std::time::Duration::from_secs(60));
        assert_eq!(world.auth.reload_claims("alice").await.unwrap(), 1);
        let response = world.send(with_header(&browser, "/me", name)).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{name}: {response:?}");
        assert!(carries_nothing(&response), "{name}");
        assert_eq!(browser.get(&world, "/me").await.status(), StatusCode::OK, "{name}: without it");
    }
}

#[tokio::test]
async fn a_refresh_token_beside_the_headers_of_a_device_refreshes_nothing_by_itself() {
    for binding in [DeviceBinding::Enforce, DeviceBinding::Observe] {
        let world = world(binding);
        let mut browser = Browser::logged_in(&world, "alice").await;
        browser.drop_access();
        for name in HEADERS {
            let response = world.send(with_header(&browser, "/me", name)).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{binding:?} {name}");
            assert!(carries_nothing(&response), "{binding:?} {name}");
        }
    }
}

#[tokio::test]
async fn an_expired_bearer_token_beside_the_headers_of_a_device_is_not_refreshed() {
    for binding in [DeviceBinding::Enforce, DeviceBinding::Observe] {
        for name in HEADERS {
            let world = world(binding);
            let browser = Browser::logged_in(&world, "alice").await;
            world.clock.advance(ACCESS_LIFETIME);
            for path in ["/me", "/auth/device/register", "/auth/device/refresh"] {
                let mut request = with_header(&browser, path, name);
                let bearer = format!("Bearer {}", browser.access().unwrap());
                request.headers_mut().insert("authorization", bearer.parse().unwrap());
                let response = world.send(request).await;
                assert!(response.status().is_client_error(), "{binding:?} {name} {path}: {response:?}");
                assert!(carries_nothing(&response), "{binding:?} {name} {path}: {response:?}");
            }
        }
    }
}
