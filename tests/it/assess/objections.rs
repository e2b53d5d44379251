//! What an objection changes, whatever token is presented and however.

use std::pin::Pin;

use bytes::Bytes;
use http::{Response, StatusCode};
use tower_refresh::{
    Assessment, FeedLossPolicy, RejectionKind, SessionHandle, Timestamp,
    event::{EndReason, EventKind, TokenClass},
};

use super::{from_stranger, kind, world, world_with};
use crate::support::{
    Browser, World,
    browser::{REFRESH, set_cookies},
    mint,
    probe::{
        ACCESS_LIFETIME, DAMPING, GRACE, alter_row, as_navigation, carries_nothing, expired_browser, refresh,
        session_of, with_bearer,
    },
};

/// Each token that is accepted, and what the application sees of it.
pub(super) const ACCEPTED: [(&str, TokenClass); 5] = [
    ("the newest token", TokenClass::Current),
    ("the previous token within the grace period", TokenClass::Previous),
    ("the previous token after it", TokenClass::Overdue),
    ("the previous token after the damping", TokenClass::Late),
    // The rotation that the store lost is restored before.
    ("a token one generation ahead of the store", TokenClass::Current),
];

/// Tokens that are decided on before, so that the application sees none of them.
const DECIDED_BEFORE: [&str; 5] = [
    "the previous token, when the late budget is spent",
    "a token two generations old",
    "a token of a session that has ended",
    "a token of a user who is gone",
    "a token of a user whose claims fit into no token",
];

/// A browser without an access token in the state of the case, and its session.
pub(super) async fn prepare(world: &World, case: &str) -> (Browser, SessionHandle) {
    let (mut browser, session) = expired_browser(world, "alice").await;
    let first = browser.refresh().unwrap().to_owned();
    if case != "the newest token" {
        browser.get(world, "/me").await;
    }
    let previous = |browser: &mut Browser| browser.cookies.insert(REFRESH.to_owned(), first.clone());
    match case {
        "the newest token" => {}
        "the previous token within the grace period" => {
            previous(&mut browser);
            world.clock.advance(GRACE);
        }
        "the previous token after it" => {
            previous(&mut browser);
            world.clock.advance(DAMPING);
        }
        "the previous token after the damping" => {
            previous(&mut browser);
            world.clock.advance(2 * DAMPING);
        }
        "a token one generation ahead of the store" => {
            alter_row(world, session, |row| row.generation = 0).await;
        }
        "the previous token, when the late budget is spent" => {
            previous(&mut browser);
            alter_row(world, session, |row| row.late_budget = row.absolute_expiry).await;
            world.clock.advance(2 * DAMPING);
        }
        "a token two generations old" => {
            refresh(world, &mut browser).await;
            previous(&mut browser);
        }
        "a token of a session that has ended" => {
            assert!(world.auth.end_session(session).await.unwrap());
        }
        "a token of a user who is gone" => world.users.remove("alice"),
        "a token of a user whose claims fit into no token" => {
            world.users.set("alice", &"n".repeat(9000), "user");
        }
        _ => unreachable!("{case}"),
    }
    browser.drop_access();
    world.take_events();
    world.store.take_calls();
    (browser, session)
}

/// The events of a load before its assessment.
fn events_of_load(case: &str) -> &'static [EventKind] {
    match case {
        "the previous token after the damping" => &[EventKind::Late],
        "a token one generation ahead of the store" => &[EventKind::Ahead],
        _ => &[],
    }
}

/// How a token is presented, and the answer where a user is required.
const WAYS: [(&str, &str); 5] = [
    ("a page", "login required"),
    ("a page that another site started", "login required"),
    ("a request with an expired bearer token", "login required, invalid_token"),
    ("a refresh by the handler", "login required"),
    ("an upgrade", "nothing"),
];

fn send<'a>(world: &'a World, browser: &Browser, way: &str, access: &str) -> Responding<'a> {
    let mut request = browser.request(match way {
        "a refresh by the handler" => "/refresh",
        "an upgrade" => "/status/101",
        _ => "/me",
    });
    if way == "a page that another site started" {
        request = as_navigation(request);
        request.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
    }
    if way == "a request with an expired bearer token" {
        request.headers_mut().insert("authorization", format!("Bearer {access}").parse().unwrap());
    }
    Box::pin(world.send(from_stranger(request)))
}

/// An access token of the session that has just expired.
async fn expired_access(world: &World, browser: &Browser, session: SessionHandle) -> String {
    let at = Timestamp::from_secs(world.auth.now().as_secs() - ACCESS_LIFETIME.as_secs());
    mint::access_token(world, session, browser.refresh().unwrap(), at).await
}

type Responding<'a> = Pin<Box<dyn Future<Output = Response<Bytes>> + 'a>>;

#[tokio::test]
async fn a_required_login_changes_nothing_whatever_token_is_presented_and_however() {
    for (case, class) in ACCEPTED {
        for (way, answer) in WAYS {
            let (world, log) = world_with(Some(Assessment::RequireLogin), FeedLossPolicy::GoOn);
            let (browser, session) = prepare(&world, case).await;
            let access = expired_access(&world, &browser, session).await;
            let is_foreign = way == "a page that another site started";
            if is_foreign && case == "the previous token after the damping" {
                continue; // Anonymous before any assessment.
            }
            let before = world.store.row(session).await.unwrap();
            log.lock().unwrap().clear();

            let response = send(&world, &browser, way, &access).await;

            let label = format!("{case}, {way}: {response:?}");
            assert!(carries_nothing(&response), "{label}");
            let restores = case.contains("ahead") && !is_foreign;
            let mut events =
                if restores || !case.contains("ahead") { events_of_load(case).to_vec() } else { vec![] };
            events.push(EventKind::LoginRequired);
            assert_eq!(world.take_events(), events, "{label}");
            let after = world.store.row(session).await.unwrap();
            assert!(after == before || restores && after.ended.is_none(), "{label}");
            let class = if case.contains("ahead") && is_foreign { TokenClass::Ahead } else { class };
            let seen: Vec<_> = log.lock().unwrap().iter().map(|seen| seen.class).collect();
            assert_eq!(seen, [class], "{label}: once for each request");
            let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap());
            match answer {
                "nothing" => assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS, "{label}"),
                _ => {
                    assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{label}");
                    let is_bearer = answer.ends_with("invalid_token");
                    let is_expected = matches!(
                        kind(&response),
                        Some(RejectionKind::LoginRequired { expired_bearer, .. }) if *expired_bearer == is_bearer
                    );
                    assert!(is_expected, "{label}");
                    assert_eq!(challenge.unwrap().contains("error=\"invalid_token\""), is_bearer, "{label}");
                    assert_eq!(challenge.unwrap().contains("error"), is_bearer, "{label}: bare otherwise");
                    let body = std::str::from_utf8(response.body()).unwrap();
                    assert!(body.contains("the user must log in again"), "{label}");
                }
            }

            // The session goes on for its user.
            assert_eq!(world.send(browser.request("/me")).await.body(), "alice", "{label}");
        }
    }
}

#[tokio::test]
async fn a_suspicious_session_ends_whatever_token_is_presented_and_however() {
    for (case, _) in ACCEPTED {
        for (way, _) in WAYS {
            let world = world(Some(Assessment::EndSession));
            let (browser, session) = prepare(&world, case).await;
            let access = expired_access(&world, &browser, session).await;
            let is_foreign = way == "a page that another site started";
            if is_foreign && case == "the previous token after the damping" {
                continue; // Anonymous before any assessment.
            }
            let before = world.store.row(session).await.unwrap();

            let response = send(&world, &browser, way, &access).await;

            let label = format!("{case}, {way}: {response:?}");
            assert!(carries_nothing(&response), "{label}");
            let ended = world.store.row(session).await.unwrap().ended.map(|ended| ended.reason);
            let mut events = if is_foreign { vec![] } else { events_of_load(case).to_vec() };
            events.push(EventKind::Suspicious);
            if is_foreign {
                assert_eq!(world.store.row(session).await.unwrap(), before, "{label}");
            } else {
                events.push(EventKind::End(EndReason::Suspicious));
                assert_eq!(ended, Some(EndReason::Suspicious), "{label}");
            }
            assert_eq!(world.take_events(), events, "{label}");
            match way {
                "an upgrade" => assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS, "{label}"),
                "a request with an expired bearer token" => {
                    assert!(matches!(kind(&response), Some(RejectionKind::InvalidToken(_))), "{label}");
                }
                _ => assert_eq!(kind(&response), Some(&RejectionKind::Unauthenticated), "{label}"),
            }
            let next = world.send(browser.request("/optional")).await;
            assert_eq!(next.body(), if is_foreign { "alice" } else { "-" }, "{label}");
        }
    }
}

#[tokio::test]
async fn tokens_that_are_decided_on_before_are_not_assessed() {
    for case in DECIDED_BEFORE {
        let (world, log) = world_with(None, FeedLossPolicy::GoOn);
        let (browser, _) = prepare(&world, case).await;
        log.lock().unwrap().clear();
        let response = world.send(from_stranger(browser.request("/me"))).await;
        assert_ne!(response.status(), StatusCode::OK, "{case}");
        assert_eq!(*log.lock().unwrap(), [], "{case}");
    }
}

#[tokio::test]
async fn a_request_with_a_valid_access_token_is_not_assessed() {
    for policy in [FeedLossPolicy::GoOn, FeedLossPolicy::AskStore] {
        let (world, log) = world_with(None, policy);
        let browser = Browser::logged_in(&world, "alice").await;
        let bearer = with_bearer("/me", browser.access().unwrap());
        for request in [browser.request("/me"), bearer] {
            assert_eq!(world.send(from_stranger(request)).await.body(), "alice", "{policy:?}");
        }
        assert_eq!(*log.lock().unwrap(), [], "{policy:?}");
    }
}

#[tokio::test]
async fn an_objection_beside_a_valid_access_token_only_stops_the_refresh_ahead() {
    let answers = [
        (Some(Assessment::RequireLogin), EventKind::LoginRequired),
        (Some(Assessment::EndSession), EventKind::Suspicious),
        (None, EventKind::AssessmentFailed),
    ];
    for (answer, event) in answers {
        let world = world(answer);
        let browser = Browser::logged_in(&world, "alice").await;
        let session = session_of(&browser);
        world.clock.advance(ACCESS_LIFETIME * 9 / 10);
        world.take_events();
        let before = world.store.row(session).await;

        let response = world.send(from_stranger(browser.request("/me"))).await;

        assert_eq!(response.body(), "alice", "{answer:?}");
        assert!(carries_nothing(&response), "{answer:?}");
        assert_eq!(world.take_events(), [event], "{answer:?}");
        assert_eq!(world.store.row(session).await, before, "{answer:?}");
        let allowed = world.send(browser.request("/me")).await;
        assert!(!carries_nothing(&allowed), "{answer:?}: another request is refreshed ahead");
    }
}

#[tokio::test]
async fn a_refresh_by_the_handler_is_assessed_once_even_with_a_valid_access_token() {
    let expected = [
        (Some(Assessment::RequireLogin), StatusCode::UNAUTHORIZED, None),
        (Some(Assessment::EndSession), StatusCode::UNAUTHORIZED, Some(EndReason::Suspicious)),
        (None, StatusCode::SERVICE_UNAVAILABLE, None),
        (Some(Assessment::Allow), StatusCode::OK, None),
    ];
    for (answer, status, ended) in expected {
        for is_expired in [false, true] {
            let (world, log) = world_with(answer, FeedLossPolicy::GoOn);
            let browser = Browser::logged_in(&world, "alice").await;
            let session = session_of(&browser);
            if is_expired {
                world.clock.advance(ACCESS_LIFETIME);
            }
            let response = world.send(from_stranger(browser.request("/refresh"))).await;
            assert_eq!(response.status(), status, "{answer:?}");
            assert_eq!(log.lock().unwrap().len(), 1, "{answer:?}, expired: {is_expired}");
            let row = world.store.row(session).await.unwrap();
            assert_eq!(row.ended.map(|ended| ended.reason), ended, "{answer:?}");
            assert_eq!(carries_nothing(&response), status != StatusCode::OK, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn access_tokens_of_a_suspicious_session_are_rejected_at_once_and_its_cookies_removed_by_the_next_page()
{
    let world = world(Some(Assessment::EndSession));
    let browser = Browser::logged_in(&world, "alice").await;
    let access = browser.access().unwrap().to_owned();
    let mut expired = browser.clone();
    expired.drop_access();
    assert_eq!(world.send(from_stranger(expired.request("/me"))).await.status(), StatusCode::UNAUTHORIZED);

    let bearer = world.send(with_bearer("/me", &access)).await;
    assert!(bearer.headers()["www-authenticate"].to_str().unwrap().contains("invalid_token"), "{bearer:?}");
    let page = world.send(as_navigation(browser.request("/optional"))).await;
    assert_eq!(page.body(), "-");
    assert!(set_cookies(page.headers()).iter().all(|(_, value)| value.is_none()), "{page:?}");
    assert_eq!(set_cookies(page.headers()).len(), 2, "{page:?}");
}
