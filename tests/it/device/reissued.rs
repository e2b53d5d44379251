//! A new access token in place of a valid one that came from a proof of the device: on demand, and with new data.

use std::time::Duration;

use tower_refresh::{
    Clock, DeviceBinding,
    event::{EndReason, EventKind, TokenClass},
};

use super::{CONFIRMED, UNCONFIRMED, bound_browser, proven::prove, world};
use crate::support::{
    Browser, Op,
    browser::{ACCESS, REFRESH, set_cookie},
    mint,
    probe::{ACCESS_LIFETIME, GRACE, carries_nothing, expiry, max_age, with_bearer},
    store::Fault,
};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_proven_access_token_is_replaced_on_demand_and_gains_no_time() {
    for flags in [UNCONFIRMED, CONFIRMED] {
        let world = world(DeviceBinding::Enforce);
        let (mut browser, session) = bound_browser(&world, flags).await;
        prove(&mut browser);
        let (before, row) = (browser.access().unwrap().to_owned(), world.store.row(session).await);
        world.clock.advance(5 * MINUTE);
        world.users.set("alice", "Alice the new", "user admin");
        let response = browser.get(&world, "/refresh").await;
        assert_eq!(response.status(), 200, "{response:?}");
        assert_eq!(set_cookie(&response, REFRESH), None, "no refresh token");
        let after = set_cookie(&response, ACCESS).unwrap();
        assert_eq!(response.body(), after.as_bytes());
        let claims = mint::claims(&after);
        assert_eq!((&claims["dbsc"], &claims["name"]), (&true.into(), &"Alice the new".into()));
        assert_eq!(expiry(&after), expiry(&before), "it expires no later");
        let left = expiry(&after).saturating_since(world.clock.now()).as_secs();
        assert_eq!(max_age(&response, ACCESS), Some(left - 15));
        assert_eq!(world.store.row(session).await, row, "nothing is written");
        assert_eq!(world.take_events(), []);
    }
}

#[tokio::test]
async fn a_chain_of_replaced_tokens_ends_when_the_first_one_expires() {
    let world = world(DeviceBinding::Enforce);
    let (mut browser, _) = bound_browser(&world, CONFIRMED).await;
    prove(&mut browser);
    let end = expiry(browser.access().unwrap());
    while world.clock.now() < end {
        assert_eq!(browser.get(&world, "/refresh").await.status(), 200);
        assert_eq!(browser.get(&world, "/data/again").await.status(), 200);
        world.clock.advance(MINUTE);
    }
    assert_eq!(browser.get(&world, "/refresh").await.status(), 401);
    assert_eq!(browser.get(&world, "/me").await.status(), 401);
    assert!(carries_nothing(&browser.get(&world, "/refresh").await));
}

#[tokio::test]
async fn without_a_proven_access_token_there_is_no_new_one() {
    let world = world(DeviceBinding::Enforce);
    let (browser, session) = bound_browser(&world, CONFIRMED).await;
    world.clock.advance(MINUTE);
    let before = world.store.row(session).await;
    // One from the login, before the binding.
    let response = world.send(browser.request("/refresh")).await;
    assert_eq!(response.status(), 401);
    assert!(carries_nothing(&response));
    assert_eq!(world.take_events(), [EventKind::DeviceUnproven(None)]);
    // A proven one alone does, as a bearer token too: a thief gains no time with it.
    let mut proven = browser.clone();
    prove(&mut proven);
    let response = world.send(with_bearer("/refresh", proven.access().unwrap())).await;
    assert_eq!(response.status(), 200);
    let token = response.headers()["x-access-token"].to_str().unwrap();
    assert_eq!(expiry(token), expiry(proven.access().unwrap()));
    assert_eq!(world.store.row(session).await, before);
}

#[tokio::test]
async fn where_bindings_are_observed_the_refresh_token_refreshes_and_the_access_token_says_so() {
    let world = world(DeviceBinding::Observe);
    let (mut browser, session) = bound_browser(&world, CONFIRMED).await;
    prove(&mut browser);
    world.clock.advance(2 * MINUTE);
    let response = browser.get(&world, "/refresh").await;
    assert_eq!(response.status(), 200);
    assert!(set_cookie(&response, REFRESH).is_some());
    assert!(mint::claims(browser.access().unwrap()).get("dbsc").is_none());
    let events = [EventKind::DeviceUnproven(None), EventKind::Refresh(TokenClass::Current)];
    assert_eq!(world.take_events(), events);
    assert_eq!(world.store.row(session).await.unwrap().generation, 1);
}

#[tokio::test]
async fn a_failure_issues_nothing_and_says_what_failed() {
    let start = || async {
        let world = world(DeviceBinding::Enforce);
        let (mut browser, session) = bound_browser(&world, CONFIRMED).await;
        prove(&mut browser);
        (world, browser, session)
    };
    let (world, mut browser, _) = start().await;
    world.store.break_op(Op::Load, Fault::Fails);
    assert_eq!(browser.get(&world, "/refresh").await.status(), 503);
    world.store.fix();
    world.users.break_loads(Some(Fault::Fails));
    let response = browser.get(&world, "/refresh").await;
    assert_eq!(response.status(), 503);
    assert!(carries_nothing(&response));
    world.users.break_loads(None);
    world.users.set("alice", &"n".repeat(9000), "user");
    assert_eq!(browser.get(&world, "/refresh").await.status(), 500);
    world.users.set("alice", "Alice", "user");
    assert_eq!(browser.get(&world, "/refresh").await.status(), 200);

    let (world, mut browser, session) = start().await;
    world.users.remove("alice");
    assert_eq!(browser.get(&world, "/refresh").await.status(), 401);
    assert_eq!(world.store.row(session).await.unwrap().ended.unwrap().reason, EndReason::Disabled);
    assert_eq!(browser.get(&world, "/me").await.status(), 401);
}

#[tokio::test]
async fn new_data_give_a_proven_access_token_that_expires_no_later() {
    let world = world(DeviceBinding::Enforce);
    let (mut browser, session) = bound_browser(&world, CONFIRMED).await;
    prove(&mut browser);
    let before = browser.access().unwrap().to_owned();
    world.clock.advance(5 * MINUTE);
    let response = browser.get(&world, "/data/tenant").await;
    assert_eq!(response.status(), 200, "{response:?}");
    assert_eq!(set_cookie(&response, REFRESH), None);
    let after = browser.access().unwrap();
    assert_eq!((expiry(after), &mint::claims(after)["dbsc"]), (expiry(&before), &true.into()));
    let row = world.store.row(session).await.unwrap();
    assert_eq!((&row.data[..], row.generation, row.confirmed), (&b"tenant"[..], 0, false));
    assert_eq!(world.take_events(), []);
}

/// One from the login, before the binding was confirmed.
#[tokio::test]
async fn new_data_with_an_unproven_access_token_gain_no_time_and_no_proof() {
    let world = world(DeviceBinding::Enforce);
    let (mut browser, session) = bound_browser(&world, CONFIRMED).await;
    let before = browser.access().unwrap().to_owned();
    world.clock.advance(5 * MINUTE);
    let response = browser.get(&world, "/data/tenant").await;
    assert_eq!(response.status(), 200, "{response:?}");
    let after = browser.access().unwrap();
    assert_eq!((expiry(after), mint::claims(after).get("dbsc")), (expiry(&before), None));
    assert_eq!(world.store.row(session).await.unwrap().data, b"tenant");
    browser.drop_access();
    assert_eq!(browser.get(&world, "/data/other").await.status(), 401);
}

#[tokio::test]
async fn new_data_where_bindings_are_observed_count_the_refresh_token() {
    let world = world(DeviceBinding::Observe);
    let (mut browser, _) = bound_browser(&world, CONFIRMED).await;
    prove(&mut browser);
    let before = expiry(browser.access().unwrap());
    world.clock.advance(5 * MINUTE);
    assert_eq!(browser.get(&world, "/data/tenant").await.status(), 200);
    let after = browser.access().unwrap();
    assert!(expiry(after) > before);
    assert_eq!(mint::claims(after).get("dbsc"), None, "the device gave no proof for that time");
}

#[tokio::test]
async fn a_proven_access_token_is_never_refreshed_ahead() {
    for binding in [DeviceBinding::Enforce, DeviceBinding::Observe] {
        let world = world(binding);
        let (mut browser, _) = bound_browser(&world, CONFIRMED).await;
        prove(&mut browser);
        world.clock.advance(ACCESS_LIFETIME - 2 * GRACE);
        let response = browser.get(&world, "/me").await;
        assert_eq!(response.status(), 200);
        assert!(carries_nothing(&response), "{binding:?}");
        assert_eq!(world.store.calls(Op::Load), 0, "{binding:?}");
    }
}

#[tokio::test]
async fn a_login_in_a_bound_browser_is_not_proven() {
    let world = world(DeviceBinding::Enforce);
    let (mut browser, _) = bound_browser(&world, CONFIRMED).await;
    prove(&mut browser);
    assert_eq!(browser.get(&world, "/login/bob").await.status(), 200);
    assert_eq!(mint::claims(browser.access().unwrap()).get("dbsc"), None);
    world.clock.advance(ACCESS_LIFETIME);
    assert_eq!(browser.get(&world, "/me").await.status(), 200);
    let mut other = Browser::logged_in(&world, "alice").await;
    assert_eq!(other.get(&world, "/me").await.status(), 200);
}
