//! The proofs of a device.

use std::time::Duration;

use http::{Request, StatusCode};
use tower_refresh::{
    Assessment, DeviceBinding, KeyRing,
    event::{EndReason, EventKind, TokenClass},
    keys::RefreshKey,
};

use super::{both, enforcing, observing, with};
use crate::support::{
    Browser, ManualClock, Op, TestStore, World,
    browser::{ACCESS, REFRESH, generation, set_cookie},
    device::{BoundBrowser, Device, challenge, is_bound, new_access},
    probe::{ACCESS_LIFETIME, DAMPING, DAY, GRACE, carries_nothing, session_of},
    store::Fault,
};

fn json(response: &http::Response<bytes::Bytes>) -> serde_json::Value {
    serde_json::from_slice(response.body()).unwrap()
}

/// 200 with the session's instructions, and no token: the browser keeps the session, and its request goes on.
fn is_unrefreshed(response: &http::Response<bytes::Bytes>, bound: &BoundBrowser) -> bool {
    response.status() == StatusCode::OK
        && carries_nothing(response)
        && json(response)["session_identifier"].as_str() == bound.identifier.as_deref()
}

#[tokio::test]
async fn a_proof_is_exchanged_for_an_access_cookie_and_the_next_challenge() {
    for (world, binding) in both() {
        let mut bound = BoundBrowser::registered(&world, "alice").await;
        world.clock.advance(ACCESS_LIFETIME);
        bound.browser.drop_access();
        let before = bound.challenge.clone();
        world.take_events();
        let response = world.send(bound.refresh_request()).await;
        assert_eq!(response.status(), StatusCode::OK, "{binding:?}: {response:?}");
        bound.keep(&response);
        assert!(is_bound(bound.browser.access().unwrap()), "{binding:?}");
        assert_ne!(bound.challenge, before, "{binding:?}");
        // The refresh token came along, and was due.
        assert_eq!(generation(bound.browser.refresh().unwrap()), 1, "{binding:?}");
        let events = [EventKind::DeviceProven, EventKind::Refresh(TokenClass::Current)];
        assert_eq!(world.take_events(), events, "{binding:?}");
        let row = world.store.row(session_of(&bound.browser)).await.unwrap();
        assert!(row.binding.is_some_and(|binding| binding.is_confirmed()), "{binding:?}");
        assert_eq!(bound.browser.get(&world, "/me").await.body(), "alice", "{binding:?}");
    }
}

#[tokio::test]
async fn a_request_without_a_proof_gets_a_challenge() {
    let world = enforcing();
    let mut bound = BoundBrowser::registered(&world, "alice").await;
    bound.challenge = None;
    let response = world.send(bound.refresh_request()).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(carries_nothing(&response));
    assert_eq!(response.headers()["cache-control"], "private, no-store");
    assert_eq!(response.headers()["cross-origin-resource-policy"], "same-origin");
    let header = response.headers()["secure-session-challenge"].to_str().unwrap();
    let identifier = bound.identifier.clone().unwrap();
    assert!(header.ends_with(&format!(";id=\"{identifier}\"")), "{header}");
    bound.keep(&response);
    assert_eq!(world.send(bound.refresh_request()).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn each_challenge_works_once() {
    for (world, binding) in both() {
        let mut bound = BoundBrowser::registered(&world, "alice").await;
        let request = bound.refresh_request();
        let copy = || {
            let mut copy = Request::builder().method("POST").uri(request.uri()).body(()).unwrap();
            *copy.headers_mut() = request.headers().clone();
            copy
        };
        let first = world.send(copy()).await;
        assert_eq!(first.status(), StatusCode::OK, "{binding:?}");
        for _ in 0..3 {
            let again = world.send(copy()).await;
            assert_eq!(again.status(), StatusCode::FORBIDDEN, "{binding:?}");
            assert!(carries_nothing(&again), "{binding:?}");
            assert!(challenge(&again).is_some(), "{binding:?}");
        }
        // The answer was lost: one more round.
        assert_eq!(bound.refresh(&world).await.status(), StatusCode::OK, "{binding:?}");
    }
}

#[tokio::test]
async fn a_proof_of_another_device_or_session_is_refused_with_a_challenge() {
    let world = enforcing();
    let mut bound = BoundBrowser::confirmed(&world, "alice").await;
    let other = BoundBrowser::confirmed(&world, "alice").await;
    let stolen = bound.challenge.clone().unwrap();
    let offer = Browser::new().get(&world, "/login/alice").await;
    let offer = crate::support::device::offer(&offer).unwrap();
    let proofs = [
        ("another device", Device::other().proof(&stolen)),
        ("the challenge of another session", bound.device.proof(&other.challenge.clone().unwrap())),
        ("the challenge of a registration", bound.device.proof(&offer)),
        ("a challenge that is not ours", bound.device.proof("challenge")),
        ("a proof of a registration", bound.device.registration(&stolen)),
        ("no token", "proof".to_owned()),
        ("nothing", String::new()),
    ];
    for (reason, proof) in proofs {
        let before = world.store.row(session_of(&bound.browser)).await;
        let response = world.send(bound.refresh_request_with(Some(&proof))).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{reason}: {response:?}");
        assert!(carries_nothing(&response), "{reason}");
        assert!(challenge(&response).is_some(), "{reason}");
        assert_eq!(world.store.row(session_of(&bound.browser)).await, before, "{reason}");
    }
    assert_eq!(bound.refresh(&world).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_request_without_the_identifier_of_a_session_is_malformed() {
    let world = enforcing();
    let bound = BoundBrowser::confirmed(&world, "alice").await;
    for identifier in [None, Some(""), Some("\""), Some("session"), Some("two, of them")] {
        let mut request = bound.refresh_request();
        request.headers_mut().remove("sec-secure-session-id");
        if let Some(identifier) = identifier {
            request.headers_mut().insert("sec-secure-session-id", identifier.parse().unwrap());
        }
        world.store.take_calls();
        let response = world.send(request).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{identifier:?}");
        assert!(carries_nothing(&response), "{identifier:?}");
        assert!(world.store.take_calls().is_empty(), "{identifier:?}: no store is asked");
    }
    let mut request = bound.refresh_request();
    let value = request.headers()["sec-secure-session-id"].clone();
    request.headers_mut().append("sec-secure-session-id", value);
    assert_eq!(world.send(request).await.status(), StatusCode::BAD_REQUEST, "two of them");
}

#[tokio::test]
async fn quoted_headers_are_read_as_bare_ones() {
    let world = enforcing();
    let bound = BoundBrowser::confirmed(&world, "alice").await;
    let mut request = bound.refresh_request();
    for name in ["sec-secure-session-id", "secure-session-response"] {
        let quoted = format!("\"{}\"", request.headers()[name].to_str().unwrap());
        request.headers_mut().insert(name, quoted.parse().unwrap());
    }
    assert_eq!(world.send(request).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_forged_identifier_asks_no_store() {
    let world = enforcing();
    let bound = BoundBrowser::confirmed(&world, "alice").await;
    let mut forged = BoundBrowser::new();
    forged.challenge = bound.challenge.clone();
    let identifier = bound.identifier.clone().unwrap();
    let (first, rest) = identifier.split_at(1);
    forged.identifier = Some(format!("{}{rest}", if first == "A" { "B" } else { "A" }));
    world.store.take_calls();
    let response = world.send(forged.refresh_request()).await;
    assert!(is_unrefreshed(&response, &forged), "{response:?}");
    assert!(world.store.take_calls().is_empty());
}

#[tokio::test]
async fn a_session_that_is_over_is_forgotten() {
    for case in ["ended", "expired", "the user is gone", "not bound"] {
        let world = enforcing();
        let mut bound = BoundBrowser::confirmed(&world, "alice").await;
        let session = session_of(&bound.browser);
        match case {
            "ended" => drop(world.auth.end_session(session).await.unwrap()),
            "expired" => world.clock.advance(8 * DAY),
            "not bound" => crate::support::probe::alter_row(&world, session, |row| row.binding = None).await,
            _ => world.users.remove("alice"),
        }
        let response = bound.refresh(&world).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{case}: {response:?}");
        assert_eq!(json(&response), serde_json::json!({"continue": false}), "{case}");
        assert!(carries_nothing(&response), "{case}");
    }
}

#[tokio::test]
async fn a_failure_keeps_the_session_of_the_browser() {
    for op in [Op::Load, Op::Swap] {
        let world = enforcing();
        let mut bound = BoundBrowser::confirmed(&world, "alice").await;
        world.store.break_op(op, Fault::Fails);
        let response = world.send(bound.refresh_request()).await;
        assert!(is_unrefreshed(&response, &bound), "{op:?}: {response:?}");
        world.store.fix();
        assert_eq!(bound.refresh(&world).await.status(), StatusCode::OK, "{op:?}");
    }
    for fault in [Fault::Fails, Fault::Panics] {
        let world = enforcing();
        let mut bound = BoundBrowser::confirmed(&world, "alice").await;
        world.users.break_loads(Some(fault));
        let response = world.send(bound.refresh_request()).await;
        assert!(is_unrefreshed(&response, &bound), "{fault:?}: {response:?}");
        world.users.break_loads(None);
        assert_eq!(bound.refresh(&world).await.status(), StatusCode::OK, "{fault:?}");
    }
}

#[tokio::test]
async fn the_request_that_waited_for_a_proof_that_failed_is_not_sent_to_the_login() {
    let world = enforcing();
    let mut bound = BoundBrowser::confirmed(&world, "alice").await;
    world.clock.advance(ACCESS_LIFETIME);
    bound.browser.drop_access();
    assert_eq!(bound.browser.get(&world, "/me").await.status(), StatusCode::UNAUTHORIZED, "without a proof");
    for broken in ["the claims source", "writes of the store"] {
        match broken {
            "the claims source" => world.users.break_loads(Some(Fault::Fails)),
            _ => world.store.break_op(Op::Swap, Fault::Fails),
        }
        let response = world.send(bound.refresh_request()).await;
        assert!(is_unrefreshed(&response, &bound), "{broken}: {response:?}");
        world.take_events();
        let response = bound.browser.get(&world, "/me").await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{broken}: {response:?}");
        assert!(!world.take_events().contains(&EventKind::DeviceUnproven(None)), "{broken}");
        world.clock.advance(Duration::from_secs(10));
        let response = bound.browser.get(&world, "/me").await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{broken}: ten seconds later");
        world.users.break_loads(None);
        world.store.fix();
    }
    assert_eq!(bound.refresh(&world).await.status(), StatusCode::OK);
    assert_eq!(bound.browser.get(&world, "/me").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_refresh_token_never_refreshes_a_proven_access_token_ahead() {
    for (world, binding) in both() {
        let mut bound = BoundBrowser::confirmed(&world, "alice").await;
        world.clock.advance(ACCESS_LIFETIME - Duration::from_secs(60));
        world.store.take_calls();
        let response = bound.browser.get(&world, "/me").await;
        assert_eq!(response.body(), "alice", "{binding:?}");
        assert!(carries_nothing(&response), "{binding:?}");
        assert!(world.store.take_calls().is_empty(), "{binding:?}");
    }
}

#[tokio::test]
async fn a_link_on_another_site_refreshes_without_the_refresh_token() {
    for (world, binding) in both() {
        let mut bound = BoundBrowser::confirmed(&world, "alice").await;
        world.clock.advance(ACCESS_LIFETIME);
        let jar = std::mem::take(&mut bound.browser.cookies);
        let response = bound.refresh(&world).await;
        assert_eq!(response.status(), StatusCode::OK, "{binding:?}: {response:?}");
        assert!(new_access(&response).is_some_and(|access| is_bound(&access)), "{binding:?}");
        assert_eq!(set_cookie(&response, REFRESH), None, "{binding:?}");
        // The refresh token is as good as before.
        bound.browser.cookies.extend(jar.into_iter().filter(|(name, _)| name == REFRESH));
        world.clock.advance(ACCESS_LIFETIME);
        bound.browser.drop_access();
        assert_eq!(bound.refresh(&world).await.status(), StatusCode::OK, "{binding:?}");
        assert_eq!(generation(bound.browser.refresh().unwrap()), 1, "{binding:?}");
    }
}

/// How old the refresh token is that comes with a proof, whether it is replaced, and the event beside those of the proof.
const ALONG: [(&str, Option<u32>, Option<EventKind>); 5] = [
    ("the newest", Some(2), None),
    ("the previous one within the grace period", Some(1), None),
    ("the previous one, late", Some(1), Some(EventKind::Late)),
    ("the previous one, when the late budget is spent", Some(1), Some(EventKind::Late)),
    ("one that the store lost", None, Some(EventKind::Ahead)),
];

#[tokio::test]
async fn a_refresh_token_that_comes_along_is_committed_without_late_budget() {
    for (world, binding) in both() {
        for (case, expected, event) in ALONG {
            let mut bound = BoundBrowser::confirmed(&world, "alice").await;
            let session = session_of(&bound.browser);
            let first = bound.browser.refresh().unwrap().to_owned();
            world.clock.advance(ACCESS_LIFETIME);
            assert_eq!(bound.refresh(&world).await.status(), StatusCode::OK);
            assert_eq!(generation(bound.browser.refresh().unwrap()), 1);
            let alter = |change: fn(&mut tower_refresh_core::SessionRow)| {
                crate::support::probe::alter_row(&world, session, change)
            };
            match case {
                "the newest" => world.clock.advance(ACCESS_LIFETIME),
                "one that the store lost" => alter(|row| row.generation = 0).await,
                _ => {
                    bound.browser.cookies.insert(REFRESH.to_owned(), first);
                    world.clock.advance(if case.ends_with("grace period") { GRACE } else { 2 * DAMPING });
                    if case.ends_with("spent") {
                        alter(|row| row.late_budget = row.absolute_expiry).await;
                    }
                }
            }
            let before = world.store.row(session).await.unwrap();
            world.take_events();
            let response = bound.refresh(&world).await;
            assert_eq!(response.status(), StatusCode::OK, "{case}, {binding:?}: {response:?}");
            let sent = set_cookie(&response, REFRESH).map(|token| generation(&token));
            assert_eq!(sent, expected, "{case}, {binding:?}");
            let after = world.store.row(session).await.unwrap();
            assert_eq!(after.late_budget, before.late_budget, "{case}, {binding:?}");
            if let Some(event) = event {
                assert!(world.take_events().contains(&event), "{case}, {binding:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_reused_refresh_token_beside_a_proof_ends_the_session_only_where_proofs_are_not_enforced() {
    for (world, binding) in both() {
        let mut bound = BoundBrowser::confirmed(&world, "alice").await;
        let first = bound.browser.refresh().unwrap().to_owned();
        for _ in 0..2 {
            world.clock.advance(ACCESS_LIFETIME);
            assert_eq!(bound.refresh(&world).await.status(), StatusCode::OK);
        }
        bound.browser.cookies.insert(REFRESH.to_owned(), first);
        bound.browser.drop_access();
        world.take_events();
        let response = bound.refresh(&world).await;
        let events = world.take_events();
        assert!(events.contains(&EventKind::Reuse), "{binding:?}");
        let has_ended = events.contains(&EventKind::End(EndReason::Reuse));
        assert_eq!(has_ended, binding == DeviceBinding::Observe, "{binding:?}");
        let expected = if has_ended { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        assert_eq!(response.status(), expected, "{binding:?}");
        assert_eq!(set_cookie(&response, ACCESS).is_some(), !has_ended, "{binding:?}");
        assert_eq!(set_cookie(&response, REFRESH), None, "{binding:?}");
    }
}

#[tokio::test]
async fn a_refresh_token_of_another_session_beside_a_proof_is_left_alone() {
    let world = enforcing();
    let mut bound = BoundBrowser::confirmed(&world, "alice").await;
    let other = Browser::logged_in(&world, "bob").await;
    world.clock.advance(ACCESS_LIFETIME);
    bound.browser.cookies = other.cookies.clone();
    bound.browser.drop_access();
    let response = bound.refresh(&world).await;
    assert_eq!(response.status(), StatusCode::OK, "{response:?}");
    let access = new_access(&response).unwrap();
    assert_eq!(crate::support::mint::claims(&access)["sub"], "alice");
    assert_eq!(set_cookie(&response, REFRESH), None);
}

#[tokio::test]
async fn the_application_assesses_a_proof_too() {
    for (assessment, status) in [
        (Assessment::Allow, StatusCode::OK),
        (Assessment::RequireLogin, StatusCode::OK),
        (Assessment::EndSession, StatusCode::UNAUTHORIZED),
    ] {
        let world =
            World::with(|builder| builder.device_binding(DeviceBinding::Enforce).assess(move |_| assessment));
        let mut bound = BoundBrowser::registered(&world, "alice").await;
        let response = bound.refresh(&world).await;
        assert_eq!(response.status(), status, "{assessment:?}: {response:?}");
        assert_eq!(new_access(&response).is_some(), assessment == Assessment::Allow, "{assessment:?}");
    }
}

#[tokio::test]
async fn every_server_accepts_the_challenge_of_another_one_and_names_the_session_alike() {
    let (clock, store) = (ManualClock::new(), TestStore::default());
    let server = || World::on(clock.clone(), store.clone(), with(DeviceBinding::Enforce));
    let servers = [server(), server()];
    let mut bound = BoundBrowser::registered(&servers[0], "alice").await;
    let identifier = bound.identifier.clone();
    for round in 0..4 {
        clock.advance(ACCESS_LIFETIME);
        let response = servers[round % 2].send(bound.refresh_request()).await;
        assert_eq!(response.status(), StatusCode::OK, "{round}: {response:?}");
        bound.keep(&response);
        assert_eq!(bound.identifier, identifier, "{round}");
    }
}

#[tokio::test]
async fn a_session_keeps_its_identifier_when_the_keys_are_rotated_and_removed() {
    let world = enforcing();
    let mut bound = BoundBrowser::confirmed(&world, "alice").await;
    let identifier = bound.identifier.clone();
    let old = || RefreshKey::from_bytes([1; 32]);
    let ring = |key: RefreshKey| KeyRing::hs256(crate::support::world::SECRET).unwrap().refresh_key(key);
    let signing = || {
        let key = tower_refresh::keys::SigningKey::from_secret(
            tower_refresh::keys::Algorithm::Hs256,
            crate::support::world::SECRET,
        );
        RefreshKey::derive(&key.unwrap()).unwrap()
    };
    world.auth.rotate_keys(ring(old()).accept_refresh_key(signing())).unwrap();
    world.clock.advance(ACCESS_LIFETIME);
    assert_eq!(bound.refresh(&world).await.status(), StatusCode::OK);
    assert_eq!(bound.identifier, identifier);
    // The refresh token has the new key by now.
    world.auth.rotate_keys(ring(old())).unwrap();
    world.clock.advance(ACCESS_LIFETIME);
    assert_eq!(bound.refresh(&world).await.status(), StatusCode::OK);
    assert_eq!(bound.identifier, identifier);
    // Without it the identifier proves nothing, and the browser keeps its session for the next request.
    let jar = std::mem::take(&mut bound.browser.cookies);
    let response = world.send(bound.refresh_request()).await;
    assert!(is_unrefreshed(&response, &bound), "{response:?}");
    bound.browser.cookies = jar;
    assert_eq!(bound.refresh(&world).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_proof_extends_the_session_and_loads_the_claims_anew() {
    let world = enforcing();
    let mut bound = BoundBrowser::confirmed(&world, "alice").await;
    world.users.set("alice", "Alice B.", "user admin");
    for _ in 0..3 {
        world.clock.advance(5 * DAY);
        let jar = std::mem::take(&mut bound.browser.cookies);
        assert_eq!(bound.refresh(&world).await.status(), StatusCode::OK, "by proofs alone");
        let access = bound.browser.access().unwrap();
        assert_eq!(crate::support::mint::claims(access)["scope"], "user admin");
        bound.browser.cookies = jar;
    }
    world.clock.advance(16 * DAY);
    assert_eq!(bound.refresh(&world).await.status(), StatusCode::UNAUTHORIZED, "the absolute expiry");
}

#[tokio::test]
async fn a_thief_without_the_key_gets_nothing_once_the_binding_is_confirmed() {
    let world = enforcing();
    let mut bound = BoundBrowser::confirmed(&world, "alice").await;
    let thief = bound.clone();
    world.clock.advance(ACCESS_LIFETIME + Duration::from_secs(1));
    let before = world.store.row(session_of(&bound.browser)).await;
    for path in ["/me", "/optional", "/refresh", "/data/tenant", "/reauthenticate", "/public"] {
        for drop_access in [false, true] {
            let mut thief = thief.clone();
            if drop_access {
                thief.browser.drop_access();
            }
            let response = thief.browser.get(&world, path).await;
            assert!(carries_nothing(&response), "{path}: {response:?}");
            assert_ne!(response.body(), "alice", "{path}");
        }
    }
    assert_eq!(world.store.row(session_of(&bound.browser)).await, before);
    bound.browser.drop_access();
    assert_eq!(bound.refresh(&world).await.status(), StatusCode::OK, "the owner goes on");
}

#[tokio::test]
async fn where_proofs_are_not_enforced_the_refresh_token_alone_refreshes_and_the_token_says_so() {
    let world = observing();
    let mut bound = BoundBrowser::confirmed(&world, "alice").await;
    world.clock.advance(ACCESS_LIFETIME);
    bound.browser.drop_access();
    let response = bound.browser.get(&world, "/me").await;
    assert_eq!(response.body(), "alice");
    assert!(!is_bound(&new_access(&response).unwrap()));
}
