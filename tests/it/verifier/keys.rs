//! When the issuer's keys are fetched, and what happens when they cannot be.

use std::{task::Poll, time::Duration};

use http::StatusCode;
use serde_json::json;
use tower_refresh::{
    Clock, InvalidTokenReason, Timestamp, VerifyError,
    event::{EventKind, JwksFailure, RejectionReason},
};

use super::{
    issuer::{Key, Reply, jwks},
    service::{InFlight, Service, with_bearer},
};
use crate::support::probe::{MILLISECOND, poll_until_stuck, settle};

const SECOND: Duration = Duration::from_secs(1);
const COOLDOWN: Duration = Duration::from_secs(30);
const REFRESH_EVERY: Duration = Duration::from_secs(10 * 60);
const STALE_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// A token that is valid for a very long time.
fn lasting(key: Key) -> String {
    key.token(&json!({}), &json!({"exp": 4_000_000_000u64}))
}

fn unknown_key() -> EventKind {
    EventKind::Rejected(RejectionReason::InvalidToken(InvalidTokenReason::UnknownKey))
}

/// Whether the request is served without waiting for anything.
fn is_ok(request: &mut InFlight) -> bool {
    matches!(poll_until_stuck(request), Poll::Ready(response) if response.status() == StatusCode::OK)
}

/// A service that has its keys.
async fn ready() -> Service {
    let service = Service::new();
    service.verifier.load().await.unwrap();
    assert!(service.verifier.is_ready());
    service
}

#[tokio::test]
async fn requests_that_need_the_keys_share_one_fetch() {
    let service = Service::new();
    let document = service.endpoint.hold();
    let mut requests: Vec<_> = (0..100).map(|_| service.send(with_bearer(&Key::Ed.valid()))).collect();
    for request in &mut requests {
        assert!(poll_until_stuck(request).is_pending());
    }
    document.send(jwks(&[Key::Ed])).unwrap();
    for request in requests {
        assert_eq!(request.await.status(), StatusCode::OK);
    }
    assert_eq!(service.endpoint.calls(), 1);
}

#[test]
fn a_request_that_is_dropped_takes_no_fetch_along() {
    // Without a runtime, so that only the requests drive the fetch.
    let service = Service::new();
    let document = service.endpoint.hold();
    let [mut first, mut second] = [0, 1].map(|_| service.send(with_bearer(&Key::Ed.valid())));
    assert!(poll_until_stuck(&mut first).is_pending());
    assert!(poll_until_stuck(&mut second).is_pending());
    drop(first);
    document.send(jwks(&[Key::Ed])).unwrap();
    assert!(is_ok(&mut second));
    assert_eq!(service.endpoint.calls(), 1);
}

#[test]
fn a_fetch_whose_requests_are_all_dropped_is_joined_by_the_next_one() {
    let service = Service::new();
    let document = service.endpoint.hold();
    let mut request = service.send(with_bearer(&Key::Ed.valid()));
    assert!(poll_until_stuck(&mut request).is_pending());
    drop(request);
    document.send(jwks(&[Key::Ed])).unwrap();
    let mut next = service.send(with_bearer(&Key::Ed.valid()));
    assert!(is_ok(&mut next));
    assert_eq!(service.endpoint.calls(), 1);
}

#[tokio::test]
async fn a_first_fetch_that_fails_is_repeated_after_a_longer_and_longer_pause() {
    let service = Service::new();
    service.endpoint.take_down();
    let token = lasting(Key::Ed);
    for (calls, pause) in [1, 2, 4, 8, 16, 30, 30, 30].into_iter().enumerate() {
        let response = service.send(with_bearer(&token)).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{calls}");
        assert_eq!(response.headers()["retry-after"], "1");
        let problem: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(problem["detail"], "credentials cannot be checked at the moment");
        assert_eq!(service.endpoint.calls(), calls + 1);
        assert_eq!(service.take_events(), [EventKind::JwksFailed(JwksFailure::FetchFailed)]);

        service.clock.advance(pause * SECOND - MILLISECOND);
        for _ in 0..10 {
            assert_eq!(service.status(&token).await, 503, "{calls}");
        }
        assert_eq!(service.endpoint.calls(), calls + 1, "no fetch before {pause} s have passed");
        assert_eq!(service.take_events(), []);
        service.clock.advance(MILLISECOND);
    }
    service.endpoint.publish(&[Key::Ed]);
    assert_eq!(service.status(&token).await, 200);
    assert_eq!(service.take_events(), [EventKind::JwksRestored]);
}

#[tokio::test]
async fn a_malformed_token_needs_no_keys() {
    let service = Service::new();
    service.endpoint.take_down();
    for token in ["x", "a.b.c", &Key::Ed.token(&json!({"typ": "JWT"}), &json!({}))] {
        assert_eq!(service.status(token).await, 401, "{token}");
    }
    assert_eq!(service.endpoint.calls(), 0);
}

#[tokio::test]
async fn every_kind_of_failure_is_reported_and_the_next_fetch_succeeds() {
    let cases = [
        (Reply::Fails, JwksFailure::FetchFailed),
        (Reply::PanicsAtOnce, JwksFailure::Panicked),
        (Reply::Panics, JwksFailure::Panicked),
        (Reply::Never, JwksFailure::TimedOut),
        (Reply::Document("<html>".into()), JwksFailure::Malformed),
    ];
    for (reply, reason) in cases {
        let service = Service::with(|builder| builder.fetch_timeout(MILLISECOND));
        service.endpoint.next(reply);
        assert_eq!(service.verifier.load().await, Err(VerifyError::Unavailable), "{reason}");
        assert_eq!(service.take_events(), [EventKind::JwksFailed(reason)]);
        assert!(!service.verifier.is_ready());
        // The application may ask again at once.
        service.verifier.load().await.unwrap();
        assert_eq!(service.take_events(), [EventKind::JwksRestored], "{reason}");
        assert_eq!(service.status(&Key::Ed.valid()).await, 200, "{reason}");
    }
}

#[tokio::test]
async fn load_fetches_the_keys_once() {
    let service = ready().await;
    service.verifier.load().await.unwrap();
    assert_eq!(service.status(&Key::Ed.valid()).await, 200);
    assert_eq!(service.endpoint.calls(), 1);
}

#[tokio::test]
async fn old_keys_are_fetched_again_beside_a_request() {
    let service = ready().await;
    let token = lasting(Key::Ed);
    assert_eq!(service.status(&token).await, 200);
    service.clock.advance(REFRESH_EVERY - MILLISECOND);
    assert_eq!(service.status(&token).await, 200);
    assert_eq!(service.endpoint.calls(), 1);

    service.clock.advance(MILLISECOND);
    let document = service.endpoint.hold();
    for _ in 0..3 {
        assert_eq!(service.status(&token).await, 200, "no request waits for the fetch");
        settle().await;
        assert_eq!(service.endpoint.calls(), 2);
    }
    document.send(jwks(&[Key::Ed2])).unwrap();
    settle().await;
    assert_eq!(service.status(&lasting(Key::Ed2)).await, 200);
    assert_eq!(service.status(&token).await, 401, "its key was withdrawn, though it was in the cache");
    assert_eq!(service.endpoint.calls(), 2, "the last fetch is less than 30 s ago");
}

#[test]
fn without_a_runtime_the_requests_drive_the_fetch() {
    let service = Service::new();
    let ok = |token: &str| is_ok(&mut service.send(with_bearer(token)));
    assert!(ok(&lasting(Key::Ed)));
    service.clock.advance(REFRESH_EVERY);
    let document = service.endpoint.hold();
    assert!(ok(&lasting(Key::Ed)));
    document.send(jwks(&[Key::Ed2])).unwrap();
    assert!(ok(&lasting(Key::Ed)), "this request takes the new keys, and was verified before");
    // Before one with the new key, which would wait for the fetch.
    assert!(!ok(&lasting(Key::Ed)));
    assert!(ok(&lasting(Key::Ed2)));
    assert_eq!(service.endpoint.calls(), 2);
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_again_stay_in_use_for_a_day() {
    let service = ready().await;
    let token = lasting(Key::Ed);
    service.endpoint.take_down();
    service.clock.advance(REFRESH_EVERY);
    let mut failures = 0;
    // Almost a day, in steps of a minute: each of them repeats the fetch once.
    while service.clock.monotonic() < STALE_FOR - Duration::from_secs(60) {
        assert_eq!(service.status(&token).await, 200);
        settle().await;
        failures += 1;
        assert_eq!(service.take_events(), [EventKind::JwksFailed(JwksFailure::FetchFailed)]);
        service.clock.advance(Duration::from_secs(60));
    }
    assert_eq!(service.endpoint.calls(), 1 + failures);
    service.clock.advance(Duration::from_secs(60) - MILLISECOND);
    assert_eq!(service.status(&token).await, 200);
    settle().await;
    service.take_events();
    let calls = service.endpoint.calls();

    service.clock.advance(MILLISECOND);
    assert_eq!(service.status(&token).await, 503);
    assert_eq!(service.take_events(), [EventKind::JwksExpired]);
    assert!(!service.verifier.is_ready());
    assert_eq!(service.endpoint.calls(), calls, "the last failure is just now");

    service.clock.advance(COOLDOWN);
    service.endpoint.publish(&[Key::Ed]);
    assert_eq!(service.status(&token).await, 200);
    assert_eq!(service.take_events(), [EventKind::JwksRestored]);
}

#[tokio::test]
async fn a_refresh_that_fails_is_repeated_after_thirty_seconds() {
    let service = ready().await;
    let token = lasting(Key::Ed);
    service.clock.advance(REFRESH_EVERY);
    service.endpoint.take_down();
    for round in 0..5 {
        for _ in 0..10 {
            assert_eq!(service.status(&token).await, 200);
            settle().await;
        }
        assert_eq!(service.endpoint.calls(), 2 + round);
        service.clock.advance(COOLDOWN - MILLISECOND);
        assert_eq!(service.status(&token).await, 200);
        settle().await;
        assert_eq!(service.endpoint.calls(), 2 + round, "not within 30 s of the start of the last one");
        service.clock.advance(MILLISECOND);
    }
}

#[tokio::test]
async fn an_unknown_key_causes_one_fetch_in_thirty_seconds() {
    let service = ready().await;
    let invented = |number: usize| Key::Ed.token(&json!({"kid": format!("invented {number}")}), &json!({}));
    for round in 0..4 {
        for number in 0..50 {
            assert_eq!(service.status(&invented(number)).await, 401);
        }
        assert_eq!(service.endpoint.calls(), 1 + round);
        assert!(service.take_events().iter().all(|kind| *kind == unknown_key()));
        assert_eq!(service.status(&Key::Ed.valid()).await, 200);
        service.clock.advance(COOLDOWN - MILLISECOND);
        assert_eq!(service.status(&invented(0)).await, 401);
        assert_eq!(service.endpoint.calls(), 1 + round);
        service.clock.advance(MILLISECOND);
    }
}

#[tokio::test]
async fn the_thirty_seconds_count_from_the_start_of_a_fetch() {
    let service = ready().await;
    service.clock.advance(COOLDOWN);
    let document = service.endpoint.hold();
    let mut request = service.send(with_bearer(&Key::Ed2.valid()));
    assert!(poll_until_stuck(&mut request).is_pending());
    // As long as the fetch takes, others join it.
    service.clock.advance(COOLDOWN);
    let mut other = service.send(with_bearer(&Key::Ed2.valid()));
    assert!(poll_until_stuck(&mut other).is_pending());
    assert_eq!(service.endpoint.calls(), 2);
    document.send(jwks(&[Key::Ed])).unwrap();
    assert_eq!(request.await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(other.await.status(), StatusCode::UNAUTHORIZED);
    // It began 30 s ago.
    service.endpoint.publish(&[Key::Ed, Key::Ed2]);
    assert_eq!(service.status(&Key::Ed2.valid()).await, 200);
    assert_eq!(service.endpoint.calls(), 3);
}

#[tokio::test]
async fn a_key_that_the_issuer_adds_is_found_by_the_first_token_that_names_it() {
    let service = ready().await;
    service.clock.advance(COOLDOWN);
    service.endpoint.publish(&[Key::Ed, Key::Ed2]);
    assert_eq!(service.status(&Key::Ed2.valid()).await, 200);
    assert_eq!(service.status(&Key::Ed.valid()).await, 200);
    assert_eq!(service.endpoint.calls(), 2);
}

#[tokio::test]
async fn a_fetch_for_an_unknown_key_that_fails_leaves_the_others_valid() {
    let service = ready().await;
    service.clock.advance(COOLDOWN);
    service.endpoint.take_down();
    assert_eq!(service.status(&Key::Ed2.valid()).await, 401);
    let failed = EventKind::JwksFailed(JwksFailure::FetchFailed);
    assert_eq!(service.take_events(), [failed, unknown_key()]);
    assert_eq!(service.status(&Key::Ed.valid()).await, 200);
}

#[tokio::test]
async fn a_date_that_jumps_neither_fetches_the_keys_nor_keeps_them() {
    let service = ready().await;
    let token = lasting(Key::Ed);
    let date = service.clock.now();
    assert_eq!(service.status(&token).await, 200);
    // A year ahead.
    service.clock.set(date.saturating_add(365 * STALE_FOR));
    for _ in 0..3 {
        assert_eq!(service.status(&token).await, 200);
        settle().await;
    }
    assert_eq!(service.endpoint.calls(), 1);
    // And back, by more than the keys may be old. A token that is not in the cache shows it.
    service.clock.advance(REFRESH_EVERY);
    service.clock.set(date);
    let other = Key::Ed.token(&json!({}), &json!({"exp": 4_000_000_001u64}));
    // Without a task the second request drives the fetch that the first one starts.
    for _ in 0..2 {
        assert_eq!(service.status(&other).await, 200);
        settle().await;
    }
    assert_eq!(service.endpoint.calls(), 2);
}

#[tokio::test]
async fn a_verifier_that_is_dropped_during_a_fetch_is_freed() {
    let service = Service::new();
    let document = service.endpoint.hold();
    let mut request = service.send(with_bearer(&Key::Ed.valid()));
    assert!(poll_until_stuck(&mut request).is_pending());
    let alive = service.endpoint.users();
    drop(request);
    drop(service.verifier);
    // Without a task the fetch is gone already.
    let _ = document.send(jwks(&[Key::Ed]));
    settle().await;
    assert!(service.endpoint.users() < alive, "the closure is dropped");
}

#[tokio::test]
async fn a_token_without_a_request_is_verified_as_one_with_a_request() {
    let service = Service::new();
    let user = service.verifier.verify(&Key::Ed.valid()).await.unwrap();
    assert_eq!((user.subject().as_str(), user.scope()), ("alice", "read"));
    assert_eq!(user.claims().name, "Alice");
    service.clock.advance(Duration::from_secs(300));
    let expired = VerifyError::Invalid(InvalidTokenReason::Expired);
    assert_eq!(service.verifier.verify(&Key::Ed.valid()).await.unwrap_err(), expired);
    let malformed = VerifyError::Invalid(InvalidTokenReason::Malformed);
    assert_eq!(service.verifier.verify("").await.unwrap_err(), malformed);

    let service = Service::new();
    service.endpoint.take_down();
    assert_eq!(service.verifier.verify(&Key::Ed.valid()).await.unwrap_err(), VerifyError::Unavailable);
    assert_eq!(service.clock.now(), Timestamp::from_secs(super::issuer::NOW));
}
