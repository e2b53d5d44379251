//! Stories of the rotation protocol: what an honest browser lives through, and what a thief does not.

mod support;

use std::time::Duration;

use http::StatusCode;
use support::{
    Browser, World,
    browser::{ACCESS, REFRESH, generation, set_cookie},
};
use tower_refresh::{Class, EndReason, EventKind};

const ACCESS_LIFETIME: Duration = Duration::from_secs(600);

#[tokio::test]
async fn an_expired_access_token_is_refreshed_in_the_same_request() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    world.clock.advance(ACCESS_LIFETIME);

    let response = browser.get(&world, "/me").await;

    assert_eq!((response.status(), response.body().as_ref()), (StatusCode::OK, b"alice".as_slice()));
    assert!(set_cookie(&response, ACCESS).is_some());
    assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1);
    assert_eq!(world.take_events(), [EventKind::Login, EventKind::Refresh(Class::Current)]);
}

#[tokio::test]
async fn a_stolen_token_that_is_two_generations_old_ends_the_session() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    let mut thief = browser.clone();
    for _ in 0..2 {
        world.clock.advance(ACCESS_LIFETIME);
        assert_eq!(browser.get(&world, "/me").await.status(), StatusCode::OK);
    }

    thief.drop_access();
    assert_eq!(thief.get(&world, "/me").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(browser.get(&world, "/me").await.status(), StatusCode::UNAUTHORIZED);
    assert!(world.take_events().ends_with(&[EventKind::Reuse, EventKind::End(EndReason::Reuse)]));
}
