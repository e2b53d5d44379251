//! Claims that are outdated in a session that is bound to a device: the browser refreshes when its cookie is gone, and not when the
//! server rejects it, so the server replaces it.

use std::time::Duration;

use http::Request;
use tower_refresh::{
    DeviceBinding, FeedLossPolicy,
    event::{EndReason, EventKind},
};

use super::{CONFIRMED, bound_browser, proven::prove, world};
use crate::support::{
    Browser, Op, World,
    browser::{ACCESS, REFRESH, set_cookie},
    mint,
    probe::{as_navigation, carries_nothing, expiry, with_bearer},
    store::Fault,
};

async fn proven(world: &World) -> Browser {
    let (mut browser, _) = bound_browser(world, CONFIRMED).await;
    prove(&mut browser);
    browser
}

async fn outdated(world: &World) -> Browser {
    let browser = proven(world).await;
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.auth.reload_claims("alice").await.unwrap(), 1);
    world.users.set("alice", "Alice the new", "user");
    world.take_events();
    world.store.take_calls();
    browser
}

#[tokio::test]
async fn a_proven_access_token_with_outdated_claims_is_replaced_in_the_same_request() {
    let world = world(DeviceBinding::Enforce);
    let mut browser = outdated(&world).await;
    let before = browser.access().unwrap().to_owned();
    let response = browser.get(&world, "/me").await;
    assert_eq!((response.status().as_u16(), &response.body()[..]), (200, &b"alice"[..]));
    let after = set_cookie(&response, ACCESS).unwrap();
    let claims = mint::claims(&after);
    assert_eq!(
        (&claims["name"], &claims["dbsc"], &claims["epoch"]),
        (&"Alice the new".into(), &true.into(), &1.into())
    );
    assert_eq!(expiry(&after), expiry(&before), "it expires no later");
    assert_eq!(set_cookie(&response, REFRESH), None);
    assert_eq!(world.take_events(), []);
    assert_eq!(world.store.take_calls(), [(Op::Load, 1)]);
    // The next request needs nothing.
    assert!(carries_nothing(&browser.get(&world, "/me").await));
    assert_eq!(world.store.take_calls(), []);
}

#[tokio::test]
async fn it_is_replaced_as_it_was_received() {
    let world = world(DeviceBinding::Enforce);
    let browser = outdated(&world).await;
    let response = world.send(with_bearer("/me", browser.access().unwrap())).await;
    assert_eq!(response.status(), 200);
    let token = response.headers()["x-access-token"].to_str().unwrap();
    assert_eq!(mint::claims(token)["epoch"], 1);
}

#[tokio::test]
async fn a_server_that_asks_the_store_replaces_it_as_well() {
    let world = World::with(|builder| {
        builder.device_binding(DeviceBinding::Enforce).feed_loss_policy(FeedLossPolicy::AskStore)
    });
    world.store.lose_feed();
    let mut browser = proven(&world).await;
    let session = crate::support::probe::session_of(&browser);
    // Another server outdates the claims.
    let other = World::on(world.clock.clone(), world.store.clone(), |builder| builder);
    assert!(other.auth.reload_session(session).await.unwrap());
    assert_eq!(browser.get(&world, "/me").await.status(), 200);
    assert_eq!(mint::claims(browser.access().unwrap())["epoch"], 1);
}

#[tokio::test]
async fn a_response_that_another_site_may_discard_carries_no_token() {
    type Send = fn(Request<()>) -> Request<()>;
    let cases: [(&str, &str, u16, Send); 2] = [
        ("a navigation that another site started", "/me", 200, |request| {
            let mut request = as_navigation(request);
            request.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
            request
        }),
        ("an upgrade", "/status/101", 101, |request| request),
    ];
    for (reason, path, status, send) in cases {
        let world = world(DeviceBinding::Enforce);
        let browser = outdated(&world).await;
        let response = world.send(send(browser.request(path))).await;
        assert_eq!(response.status(), status, "{reason}");
        assert!(carries_nothing(&response), "{reason}");
    }
}

#[tokio::test]
async fn a_failure_ends_nothing_and_a_user_who_is_gone_ends_the_session() {
    let world = world(DeviceBinding::Enforce);
    let mut browser = outdated(&world).await;
    let session = crate::support::probe::session_of(&browser);
    world.store.break_op(Op::Load, Fault::Fails);
    assert_eq!(browser.get(&world, "/me").await.status(), 503);
    world.store.fix();
    world.users.break_loads(Some(Fault::Fails));
    assert_eq!(browser.get(&world, "/me").await.status(), 503);
    world.users.break_loads(None);
    world.users.remove("alice");
    world.take_events();
    assert_eq!(browser.get(&world, "/me").await.status(), 401);
    assert_eq!(world.take_events().first(), Some(&EventKind::End(EndReason::Disabled)));
    assert_eq!(world.store.row(session).await.unwrap().ended.unwrap().reason, EndReason::Disabled);
}

#[tokio::test]
async fn an_ended_session_is_not_revived() {
    let world = world(DeviceBinding::Enforce);
    let mut browser = outdated(&world).await;
    let session = crate::support::probe::session_of(&browser);
    world.auth.end_session(session).await.unwrap();
    let response = browser.get(&world, "/me").await;
    assert_eq!(response.status(), 401);
    assert!(carries_nothing(&response));
}

#[tokio::test]
async fn what_the_handler_does_takes_precedence() {
    let world = world(DeviceBinding::Enforce);
    let mut browser = outdated(&world).await;
    assert_eq!(browser.get(&world, "/logout").await.status(), 200);
    assert!(browser.cookies.is_empty());
    let world = super::world(DeviceBinding::Enforce);
    let mut browser = outdated(&world).await;
    assert_eq!(browser.get(&world, "/data/tenant").await.status(), 200);
    let claims = mint::claims(browser.access().unwrap());
    assert_eq!((&claims["dbsc"], &claims["epoch"]), (&true.into(), &1.into()));
}

/// The refresh token decides, as for every other access token with outdated claims.
#[tokio::test]
async fn where_bindings_are_observed_it_counts_as_expired() {
    let world = world(DeviceBinding::Observe);
    let mut browser = outdated(&world).await;
    let response = browser.get(&world, "/me").await;
    assert_eq!(response.status(), 200);
    assert_eq!(mint::claims(browser.access().unwrap()).get("dbsc"), None);
    browser.cookies.remove(REFRESH);
    prove(&mut browser);
    world.auth.reload_claims("alice").await.unwrap();
    assert_eq!(browser.get(&world, "/me").await.status(), 401);
}
