//! A session that the issuer ends is rejected here within moments, and so are claims that it outdates.

use std::time::Duration;

use serde_json::json;
use tower_refresh::{
    InvalidTokenReason, SessionHandle, Verifier, VerifierBuilder, VerifyError,
    event::EventKind,
    keys::{Algorithm, VerifyingKey},
};

use super::{
    issuer::{Key, valid_claims},
    service::Service,
};
use crate::support::{
    Browser, Claims, ManualClock, TestStore, World,
    probe::{ACCESS_LIFETIME, settle},
    world::{AUDIENCE, ISSUER, SECRET},
};

/// A service that verifies the tokens of `world`.
fn service_of(world: &World) -> Verifier<Claims> {
    builder(world.clock.clone()).ended_sessions(world.store.clone()).build().unwrap()
}

fn builder(clock: ManualClock) -> VerifierBuilder<Claims> {
    Verifier::builder()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .keys([VerifyingKey::from_secret(Algorithm::Hs256, SECRET).unwrap()])
        .clock(clock)
}

async fn verdict(verifier: &Verifier<Claims>, token: &str) -> &'static str {
    match verifier.verify(token).await {
        Ok(_) => "valid",
        Err(VerifyError::Invalid(reason)) => reason.as_str(),
        Err(error) => panic!("{error}"),
    }
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn a_logout_at_the_issuer_reaches_the_service_without_a_call_of_the_store() {
    let world = World::new();
    let service = service_of(&world);
    settle().await;
    let mut browser = Browser::logged_in(&world, "alice").await;
    let other = Browser::logged_in(&world, "alice").await;
    let token = browser.access().unwrap().to_owned();
    assert_eq!(verdict(&service, &token).await, "valid");
    world.store.take_calls();

    browser.get(&world, "/logout").await;
    settle().await;
    world.store.take_calls();
    assert_eq!(verdict(&service, &token).await, "revoked");
    assert_eq!(verdict(&service, other.access().unwrap()).await, "valid");
    assert_eq!(world.store.take_calls(), []);
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn outdated_claims_count_as_expired_and_those_from_after_are_valid() {
    let world = World::new();
    let service = service_of(&world);
    settle().await;
    let mut browser = Browser::logged_in(&world, "alice").await;
    let before = browser.access().unwrap().to_owned();
    assert_eq!(world.auth.reload_claims("alice").await.unwrap(), 1);
    settle().await;
    assert_eq!(verdict(&service, &before).await, "expired");
    browser.get(&world, "/me").await;
    let after = browser.access().unwrap().to_owned();
    assert_ne!(before, after);
    assert_eq!(verdict(&service, &after).await, "valid");
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn a_service_that_starts_later_learns_of_sessions_that_ended_before() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    let token = browser.access().unwrap().to_owned();
    browser.get(&world, "/logout").await;
    let service = service_of(&world);
    settle().await;
    assert_eq!(verdict(&service, &token).await, "revoked");
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn while_the_feed_is_down_tokens_are_accepted_and_an_event_says_so() {
    let store = TestStore::default();
    store.lose_feed();
    let service = Service::with(|builder| builder.ended_sessions(store));
    settle().await;
    assert_eq!(service.status(&Key::Ed.valid()).await, 200);
    assert_eq!(service.take_events(), [EventKind::FeedLost]);
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn an_ended_session_is_remembered_as_long_as_its_tokens_can_live() {
    let lifetime = Duration::from_secs(2 * 60 * 60);
    let lasting = Key::Ed.token(&json!({}), &json!({"exp": 4_000_000_000u64}));
    let session: SessionHandle = valid_claims()["sid"].as_str().unwrap().parse().unwrap();
    for (configured, expected) in [(Some(lifetime), lifetime), (None, Duration::from_secs(60 * 60))] {
        let store = TestStore::default();
        let clock = ManualClock::new();
        store.report_end(session, tower_refresh::Clock::now(&clock));
        let service = Service::with(|builder| match configured {
            Some(lifetime) => builder.ended_sessions(store).access_lifetime(lifetime),
            None => builder.ended_sessions(store),
        });
        settle().await;
        assert_eq!(service.status(&lasting).await, 401);
        assert_eq!(revoked(&service, &lasting).await, Some(InvalidTokenReason::Revoked));
        service.clock.advance(expected - Duration::from_secs(1));
        assert_eq!(revoked(&service, &lasting).await, Some(InvalidTokenReason::Revoked));
        service.clock.advance(Duration::from_secs(1));
        assert_eq!(revoked(&service, &lasting).await, Some(InvalidTokenReason::Expired));
    }
}

#[cfg(feature = "tokio")]
async fn revoked(service: &Service, token: &str) -> Option<InvalidTokenReason> {
    match service.verifier.verify(token).await {
        Err(VerifyError::Invalid(reason)) => Some(reason),
        _ => None,
    }
}

#[test]
fn without_a_runtime_the_application_follows_the_feed() {
    // `World` needs none either, as long as its store answers at once.
    let world = World::new();
    let service = service_of(&world);
    let mut following = Box::pin(service.follow_feed());
    assert!(crate::support::probe::poll_until_stuck(&mut following).is_pending());
    let mut login = Box::pin(Browser::logged_in(&world, "alice"));
    let std::task::Poll::Ready(mut browser) = crate::support::probe::poll_until_stuck(&mut login) else {
        panic!("the login waits")
    };
    let token = browser.access().unwrap().to_owned();
    assert!(poll(service.verify(&token)).is_ok());
    drop(poll(browser.get(&world, "/logout")));
    assert!(crate::support::probe::poll_until_stuck(&mut following).is_pending());
    let revoked = VerifyError::Invalid(InvalidTokenReason::Revoked);
    assert_eq!(poll(service.verify(&token)).unwrap_err(), revoked);
    // The clones of a service share its feed, and following ends with the last one.
    let clone = service.clone();
    drop(service);
    assert!(crate::support::probe::poll_until_stuck(&mut following).is_pending());
    drop(clone);
    assert!(crate::support::probe::poll_until_stuck(&mut following).is_ready());
}

fn poll<F: Future>(future: F) -> F::Output {
    match crate::support::probe::poll_until_stuck(&mut Box::pin(future)) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

#[tokio::test]
async fn without_a_feed_a_token_is_valid_until_it_expires() {
    let world = World::new();
    let service = builder(world.clock.clone()).build().unwrap();
    service.follow_feed().await;
    let mut browser = Browser::logged_in(&world, "alice").await;
    let token = browser.access().unwrap().to_owned();
    browser.get(&world, "/logout").await;
    settle().await;
    assert_eq!(verdict(&service, &token).await, "valid");
    world.clock.advance(ACCESS_LIFETIME);
    assert_eq!(verdict(&service, &token).await, "expired");
}
