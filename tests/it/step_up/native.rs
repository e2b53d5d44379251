//! Native clients.

use tower_refresh::{
    LoginOptions, ReauthOptions, RejectionKind, TokenError,
    event::{EndReason, EventKind},
};

use super::{
    Native, assert_rejected, end_reason, live_sessions, logged_in_with, reauthenticate, reauthenticate_native,
};
use crate::support::{
    Op, World, mint,
    probe::{ACCESS_LIFETIME, carries_nothing},
    store::Fault,
};

#[tokio::test]
async fn a_native_client_gets_new_tokens_in_the_body_and_its_old_ones_are_invalid() {
    let world = World::new();
    let old = Native::logged_in(&world, "alice", LoginOptions::new()).await;
    world.take_events();

    let response = reauthenticate_native(&world, old.request(), &old.refresh, ReauthOptions::new()).await;

    assert_eq!(response.status(), 200, "{response:?}");
    assert!(carries_nothing(&response));
    assert_eq!(response.headers()["cache-control"], "private, no-store");
    let superseded = EventKind::End(EndReason::Superseded);
    assert_eq!(world.take_events(), [superseded, EventKind::Reauthentication]);
    let new = Native::of(&response);
    assert_ne!(new.session(), old.session());
    for _ in 0..2 {
        assert_eq!(world.auth.refresh_native(&old.refresh).await.unwrap_err(), TokenError::InvalidGrant);
        world.clock.advance(ACCESS_LIFETIME);
    }
    assert!(world.auth.refresh_native(&new.refresh).await.is_ok());
    assert!(!world.take_events().contains(&EventKind::Reuse));
}

#[tokio::test]
async fn the_refresh_token_must_be_one_of_the_session_of_the_access_token() {
    let world = World::new();
    let alice = Native::logged_in(&world, "alice", LoginOptions::new()).await;
    let other = Native::logged_in(&world, "alice", LoginOptions::new()).await;
    let browser = logged_in_with(&world, "alice", LoginOptions::new()).await;
    let bearer = |access: &str| crate::support::probe::with_bearer("/", access);
    for (request, refresh, reason) in [
        (alice.request(), String::new(), "no refresh token"),
        (alice.request(), alice.access.clone(), "an access token"),
        (alice.request(), mint::forged_refresh(&alice.refresh), "a forged one"),
        (alice.request(), other.refresh.clone(), "one of another session of the same user"),
        (bearer(browser.access().unwrap()), browser.refresh().unwrap().to_owned(), "one of a refresh cookie"),
        (
            browser.request("/"),
            browser.refresh().unwrap().to_owned(),
            "one of a refresh cookie, with cookies",
        ),
        (crate::support::request("/", &[]), alice.refresh.clone(), "no access token"),
    ] {
        world.store.take_calls();
        let response = reauthenticate_native(&world, request, &refresh, ReauthOptions::new()).await;
        assert_rejected(&response, &RejectionKind::Unauthenticated, reason);
        assert_eq!(world.store.take_calls(), [], "{reason}");
    }
    assert_eq!(live_sessions(&world, "alice").await.len(), 3);
}

#[tokio::test]
async fn a_reused_refresh_token_ends_the_session() {
    let world = World::new();
    let mut client = Native::logged_in(&world, "alice", LoginOptions::new()).await;
    let stolen = client.refresh.clone();
    for _ in 0..2 {
        world.clock.advance(ACCESS_LIFETIME);
        let tokens = world.auth.refresh_native(&client.refresh).await.unwrap();
        client.access = tokens.access_token().to_owned();
        client.refresh = tokens.refresh_token().unwrap().to_owned();
    }
    world.take_events();

    let response = reauthenticate_native(&world, client.request(), &stolen, ReauthOptions::new()).await;

    assert_rejected(&response, &RejectionKind::Unauthenticated, "two generations behind");
    assert_eq!(end_reason(&world, client.session()).await, Some(EndReason::Reuse));
    assert_eq!(world.take_events(), [EventKind::Reuse, EventKind::End(EndReason::Reuse)]);
}

#[tokio::test]
async fn the_previous_refresh_token_is_accepted_within_its_time() {
    let world = World::new();
    let mut client = Native::logged_in(&world, "alice", LoginOptions::new()).await;
    world.clock.advance(ACCESS_LIFETIME);
    // The response with the new refresh token was lost, but not the access token.
    client.access = world.auth.refresh_native(&client.refresh).await.unwrap().access_token().to_owned();
    let response =
        reauthenticate_native(&world, client.request(), &client.refresh, ReauthOptions::new()).await;
    assert_eq!(response.status(), 200, "{response:?}");
    assert_eq!(live_sessions(&world, "alice").await.len(), 1);
}

#[tokio::test]
async fn a_browser_gets_no_refresh_token_in_a_body() {
    for (name, value) in [
        ("origin", "https://api.example.com"),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let world = World::new();
        let client = Native::logged_in(&world, "alice", LoginOptions::new()).await;
        let mut request = client.request();
        request.headers_mut().insert(name, value.parse().unwrap());
        world.store.take_calls();
        let response = reauthenticate_native(&world, request, &client.refresh, ReauthOptions::new()).await;
        assert_rejected(&response, &RejectionKind::FromBrowser, value);
        assert_eq!(world.store.take_calls(), [], "{value}");
    }
}

#[tokio::test]
async fn claims_that_cannot_be_loaded_leave_the_session() {
    let world = World::new();
    let client = Native::logged_in(&world, "alice", LoginOptions::new()).await;
    world.users.break_loads(Some(Fault::Fails));
    let response =
        reauthenticate_native(&world, client.request(), &client.refresh, ReauthOptions::new()).await;
    assert_rejected(&response, &RejectionKind::Unavailable, "the claims source fails");
    world.users.break_loads(None);
    assert_eq!(world.store.calls(Op::Create), 1, "the login's");
    assert!(world.auth.refresh_native(&client.refresh).await.is_ok());
}

/// Over cookies, the same session: a native client that switches to cookies with its access token.
#[tokio::test]
async fn a_native_session_that_is_reauthenticated_with_cookies_has_a_refresh_cookie_from_then_on() {
    let world = World::new();
    let client = Native::logged_in(&world, "alice", LoginOptions::new()).await;
    let response = reauthenticate(&world, client.request(), ReauthOptions::new()).await;
    let mut browser = crate::support::Browser::new();
    browser.keep(response.headers());
    assert_eq!(browser.get(&world, "/me").await.body(), "alice");
    assert_eq!(world.auth.refresh_native(&client.refresh).await.unwrap_err(), TokenError::InvalidGrant);
    assert_eq!(
        world.auth.refresh_native(browser.refresh().unwrap()).await.unwrap_err(),
        TokenError::InvalidGrant
    );
}
