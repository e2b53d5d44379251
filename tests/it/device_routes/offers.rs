//! Which responses offer a registration.

use std::time::Duration;

use http::StatusCode;

use super::{both, enforcing};
use crate::support::{
    Browser, Op, World,
    device::{BoundBrowser, offer},
    probe::{as_navigation, refresh},
    request,
    store::Fault,
};

#[tokio::test]
async fn the_response_to_a_login_offers_a_registration_once() {
    for (world, binding) in both() {
        let response = Browser::new().get(&world, "/login/alice").await;
        assert!(offer(&response).is_some(), "{binding:?}: {response:?}");
        let header = response.headers().get("secure-session-registration").unwrap();
        assert!(header.is_sensitive());
        assert_eq!(response.headers()["cache-control"], "private, no-store");
    }
}

#[tokio::test]
async fn no_other_response_offers_a_registration() {
    let world = enforcing();
    let mut browser = Browser::logged_in(&world, "alice").await;
    for path in ["/me", "/refresh", "/data/tenant", "/optional", "/logout"] {
        let response = browser.get(&world, path).await;
        assert_eq!(offer(&response), None, "{path}");
    }
    let world = enforcing();
    let mut browser = Browser::logged_in(&world, "alice").await;
    assert_eq!(offer(&refresh(&world, &mut browser).await), None, "a refresh from the refresh token");
}

#[tokio::test]
async fn a_session_that_ends_with_the_browser_is_offered_nothing() {
    let world = enforcing();
    let mut browser = Browser::new();
    assert_eq!(offer(&browser.get(&world, "/login-briefly/alice").await), None);
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(offer(&world.send(as_navigation(browser.request("/me"))).await), None);
}

#[tokio::test]
async fn without_the_setting_nothing_is_offered() {
    let world = World::new();
    let mut browser = Browser::new();
    assert_eq!(offer(&browser.get(&world, "/login/alice").await), None);
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(offer(&world.send(as_navigation(browser.request("/me"))).await), None);
}

#[tokio::test]
async fn a_reauthentication_offers_a_registration_of_the_new_session() {
    let world = enforcing();
    let mut bound = BoundBrowser::confirmed(&world, "alice").await;
    let response = bound.browser.get(&world, "/reauthenticate").await;
    let challenge = offer(&response).expect("an offer");
    let response = bound.register(&world, &challenge).await;
    assert_eq!(response.status(), StatusCode::OK, "{response:?}");
}

/// How long after the login the browser opens a page, and whether the response offers a registration.
const SECOND_OFFERS: [(u64, bool); 6] =
    [(0, false), (4, false), (5, true), (60, true), (120, true), (121, false)];

#[tokio::test]
async fn the_first_page_after_the_login_offers_the_registration_once_more() {
    for (seconds, expected) in SECOND_OFFERS {
        let world = enforcing();
        let browser = Browser::logged_in(&world, "alice").await;
        world.clock.advance(Duration::from_secs(seconds));
        let response = world.send(browser.request("/me")).await;
        assert_eq!(offer(&response), None, "{seconds} s: a request of a script");

        let response = world.send(as_navigation(browser.request("/me"))).await;
        assert_eq!(offer(&response).is_some(), expected, "{seconds} s");
        if let Some(challenge) = offer(&response) {
            let again = world.send(as_navigation(browser.request("/me"))).await;
            assert_eq!(offer(&again), None, "{seconds} s: it was the only one");
            let mut bound = BoundBrowser::new();
            bound.browser = browser;
            assert_eq!(bound.register(&world, &challenge).await.status(), StatusCode::OK, "{seconds} s");
        }
    }
}

#[tokio::test]
async fn the_first_page_after_a_reauthentication_offers_the_registration_once_more() {
    let world = enforcing();
    let mut browser = Browser::logged_in(&world, "alice").await;
    world.clock.advance(Duration::from_secs(180));
    assert!(offer(&browser.get(&world, "/reauthenticate").await).is_some());
    world.clock.advance(Duration::from_secs(30));
    assert!(offer(&world.send(as_navigation(browser.request("/me"))).await).is_some());
}

#[tokio::test]
async fn a_page_after_a_refresh_offers_nothing() {
    let world = enforcing();
    let mut browser = Browser::logged_in(&world, "alice").await;
    refresh(&world, &mut browser).await;
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(offer(&world.send(as_navigation(browser.request("/me"))).await), None);
}

#[tokio::test]
async fn a_session_that_is_bound_is_not_offered_a_registration_again() {
    let world = enforcing();
    let bound = BoundBrowser::registered(&world, "alice").await;
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(offer(&world.send(as_navigation(bound.browser.request("/me"))).await), None);

    // The response to the registration was lost, with the access cookie that says that the session is bound.
    let mut bound = BoundBrowser::new();
    let challenge = bound.log_in(&world, "alice").await;
    world.send(bound.registration(&bound.device.registration(&challenge))).await;
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(offer(&world.send(as_navigation(bound.browser.request("/me"))).await), None);
}

#[tokio::test]
async fn a_store_that_fails_makes_no_second_offer_and_no_error() {
    let world = enforcing();
    let browser = Browser::logged_in(&world, "alice").await;
    world.clock.advance(Duration::from_secs(30));
    world.store.break_op(Op::Load, Fault::Fails);
    let response = world.send(as_navigation(browser.request("/me"))).await;
    assert_eq!((response.status(), offer(&response)), (StatusCode::OK, None));
    world.store.fix();
    let response = world.send(as_navigation(browser.request("/me"))).await;
    assert!(offer(&response).is_some(), "it is still due");
}

#[tokio::test]
async fn a_page_of_another_user_or_without_a_user_offers_nothing() {
    let world = enforcing();
    Browser::logged_in(&world, "alice").await;
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(offer(&world.send(as_navigation(request("/optional", &[]))).await), None);
}
