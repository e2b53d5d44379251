//! Copies of the cookies of a session whose binding is confirmed, on every way in which a refresh token or an access token is worth
//! something.

use http::{Method, Request, StatusCode};
use tower_refresh::{Authenticated, DeviceBinding, FeedLossPolicy};

use super::{enforcing, with};
use crate::support::{
    Claims, ManualClock, TestStore, World,
    browser::REFRESH,
    device::BoundBrowser,
    probe::{ACCESS_LIFETIME, DAMPING, GRACE, as_navigation, carries_nothing, expiry, poll_once},
    world::routes,
};

/// As the thief sends it, with the refresh token alone.
async fn thief(world: &World) -> BoundBrowser {
    let mut bound = BoundBrowser::confirmed(world, "alice").await;
    bound.browser.drop_access();
    bound
}

#[tokio::test]
async fn a_refresh_token_alone_is_worth_nothing_in_a_body() {
    let world = enforcing();
    let thief = thief(&world).await;
    let refreshed = world.auth.refresh_native(thief.browser.refresh().unwrap()).await;
    assert!(refreshed.is_err(), "{refreshed:?}");
}

#[tokio::test]
async fn a_refresh_token_alone_is_worth_nothing_on_an_upgrade_or_a_navigation() {
    let world = enforcing();
    let thief = thief(&world).await;
    for path in ["/status/101", "/status/200", "/status/204", "/public"] {
        for method in [Method::GET, Method::CONNECT, Method::HEAD, Method::POST] {
            for is_navigation in [false, true] {
                let mut request = thief.browser.request(path);
                if is_navigation {
                    request = as_navigation(request);
                }
                *request.method_mut() = method.clone();
                let response = world.send(request).await;
                assert!(carries_nothing(&response), "{method} {path} {is_navigation}: {response:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_refresh_token_alone_is_worth_nothing_on_a_server_that_asks_the_store() {
    let world = World::with(|builder| {
        with(DeviceBinding::Enforce)(builder).feed_loss_policy(FeedLossPolicy::AskStore)
    });
    world.store.lose_feed();
    let thief = thief(&world).await;
    for path in ["/me", "/optional", "/refresh", "/data/tenant", "/reauthenticate"] {
        let response = world.send(thief.browser.request(path)).await;
        assert!(carries_nothing(&response) && response.body() != "alice", "{path}: {response:?}");
    }
}

/// The session is confirmed on another server while the handler of the thief's request runs.
#[tokio::test]
async fn a_request_that_began_before_the_confirmation_is_worth_nothing_after_it() {
    for path in ["/me", "/refresh", "/data/tenant"] {
        for wait in [GRACE, 2 * DAMPING, ACCESS_LIFETIME] {
            let (clock, store) = (ManualClock::new(), TestStore::default());
            let servers =
                [(); 2].map(|()| World::on(clock.clone(), store.clone(), with(DeviceBinding::Enforce)));
            let mut bound = BoundBrowser::registered(&servers[0], "alice").await;
            clock.advance(2 * DAMPING);
            let mut thief = bound.browser.clone();
            thief.drop_access();
            let (mut held, gate) = servers[0].send_held(routes, thief.request(path));
            assert!(poll_once(&mut held).is_pending());
            assert_eq!(bound.refresh(&servers[1]).await.status(), StatusCode::OK);
            clock.advance(wait);
            gate.close();
            let response = held.await;
            assert!(carries_nothing(&response), "{path} {wait:?}: {response:?}");
        }
    }
}

#[tokio::test]
async fn a_stolen_access_token_never_outlives_itself() {
    let world = enforcing();
    let mut bound = BoundBrowser::confirmed(&world, "alice").await;
    let end = expiry(bound.browser.access().unwrap());
    for round in 0..40 {
        if round % 4 == 3 {
            world.auth.reload_claims("alice").await.unwrap();
        }
        for path in ["/refresh", "/data/tenant", "/me", "/public"] {
            let mut thief = bound.browser.clone();
            if round % 2 == 1 {
                thief.cookies.remove(REFRESH);
            }
            let response = thief.get(&world, path).await;
            if response.status() == StatusCode::OK {
                bound.browser.cookies.extend(thief.cookies);
            }
            assert!(expiry(bound.browser.access().unwrap()) <= end, "{round} {path}");
        }
        world.clock.advance(std::time::Duration::from_secs(20));
    }
    let response = bound.browser.get(&world, "/optional").await;
    assert_eq!(response.body(), "-", "{response:?}");
}

/// What a script can send with the page's cookies.
#[tokio::test]
async fn a_request_for_a_device_by_a_script_uses_up_nothing() {
    let world = enforcing();
    let mut bound = BoundBrowser::new();
    let offer = bound.log_in(&world, "alice").await;
    let own = crate::support::device::Device::other();
    for mode in ["cors", "same-origin", "navigate"] {
        let mut request = bound.registration(&own.registration(&offer));
        request.headers_mut().insert("sec-fetch-mode", mode.parse().unwrap());
        assert_eq!(world.send(request).await.status(), StatusCode::FORBIDDEN, "{mode}");
    }
    // In the mode no-cors a script can send no proof.
    let mut request = bound.registration("proof");
    request.headers_mut().remove("secure-session-response");
    assert_eq!(world.send(request).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(bound.register(&world, &offer).await.status(), StatusCode::OK);
    let who = |request: Request<()>| async move {
        let user = Authenticated::<Claims>::required(request.extensions()).unwrap();
        http::Response::new(bytes::Bytes::from(user.is_device_bound().to_string()))
    };
    assert_eq!(world.send_to(who, bound.browser.request("/")).await.body(), "true");
}
