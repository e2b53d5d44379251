//! Native clients log out with their access token (the revocation endpoint of RFC 7009 is not needed).

use http::{Method, StatusCode};
use tower_refresh::event::{EndReason, EventKind};

use super::client::{Client, assert_error, json};
use crate::support::{World, probe::ACCESS_LIFETIME};

#[tokio::test]
async fn a_logout_by_bearer_token_ends_the_session_and_its_refresh_token_although_the_access_token_expired() {
    for expired in [false, true] {
        let world = World::new();
        let mut client = Client::logged_in(&world, "alice").await;
        if expired {
            world.clock.advance(ACCESS_LIFETIME);
        }
        assert_eq!(client.send(&world, Method::POST, "/auth/logout").await.status(), StatusCode::NO_CONTENT);
        assert_eq!(world.take_events(), [EventKind::End(EndReason::Logout)]);
        assert_eq!(client.send(&world, Method::GET, "/me").await.status(), StatusCode::UNAUTHORIZED);
        assert_error(&client.exchange(&world).await, "invalid_grant", "ended");
    }
}

#[tokio::test]
async fn a_logout_everywhere_on_one_device_ends_the_native_clients_of_the_user() {
    let world = World::new();
    let phone = Client::logged_in(&world, "alice").await;
    let mut laptop = Client::logged_in(&world, "alice").await;
    let mut stranger = Client::logged_in(&world, "bob").await;
    let response = phone.send(&world, Method::POST, "/auth/logout-everywhere").await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_error(&laptop.exchange(&world).await, "invalid_grant", "ended elsewhere");
    assert_eq!(laptop.send(&world, Method::GET, "/me").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(stranger.exchange(&world).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_native_session_can_be_ended_from_the_list() {
    let world = World::new();
    let phone = Client::logged_in(&world, "alice").await;
    let mut laptop = Client::logged_in(&world, "alice").await;
    let list = phone.send(&world, Method::GET, "/auth/sessions").await;
    assert_eq!(json(&list).as_array().unwrap().len(), 2);
    let path = format!("/auth/sessions/{}", laptop.session());
    assert_eq!(phone.send(&world, Method::DELETE, &path).await.status(), StatusCode::NO_CONTENT);
    assert_error(&laptop.exchange(&world).await, "invalid_grant", "ended from the list");
}

#[tokio::test]
async fn a_logout_between_the_load_and_the_commit_of_a_refresh_wins() {
    let world = World::new();
    let client = Client::logged_in(&world, "alice").await;
    world.clock.advance(ACCESS_LIFETIME);
    world.store.hold(crate::support::Op::Swap);
    let mut copy = client.clone();
    let mut exchange = Box::pin(copy.exchange(&world));
    assert!(crate::support::probe::poll_until_stuck(&mut exchange).is_pending());
    assert_eq!(client.send(&world, Method::POST, "/auth/logout").await.status(), StatusCode::NO_CONTENT);
    world.store.let_through(crate::support::Op::Swap);
    assert_error(&exchange.await, "invalid_grant", "ended meanwhile");
}
