//! The application's assessment of refreshes: which of them it sees, and what its answers change.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tower_refresh::{
    Assessment, FeedLossPolicy, RejectionKind, SessionHandle, Timestamp, TokenError,
    event::{EndReason, EventKind, TokenClass},
};

use crate::support::{
    Browser, Op, World,
    browser::{REFRESH, generation, set_cookie, set_cookies},
    mint,
    probe::{
        ACCESS_LIFETIME, DAMPING, GRACE, MILLISECOND, alter_row, as_navigation, carries_nothing,
        expired_browser, poll_once, poll_until_stuck, refresh, session_of, with_bearer,
    },
    store::Fault,
};

/// What the application has seen of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    subject: String,
    session: SessionHandle,
    class: TokenClass,
    at: Timestamp,
    rotated_at: Timestamp,
    ip: Option<String>,
    user_agent: Option<String>,
    at_login: Option<String>,
}

type Log = Arc<Mutex<Vec<Seen>>>;

/// A world that answers the requests of `STRANGER` with this assessment, or with a panic, and allows all others.
fn world_with(answer: Option<Assessment>, policy: FeedLossPolicy) -> (World, Log) {
    let log = Log::default();
    let seen = log.clone();
    let world = World::with(|builder| {
        builder
            .feed_loss_policy(policy)
            .client_ip(|headers, _| headers.get("x-ip")?.to_str().ok()?.parse().ok())
            .assess(move |attempt| {
                seen.lock().unwrap().push(Seen {
                    subject: attempt.subject().to_string(),
                    session: attempt.session().handle(),
                    class: attempt.class(),
                    at: attempt.at(),
                    rotated_at: attempt.rotated_at(),
                    ip: attempt.ip().map(|ip| ip.to_string()),
                    user_agent: attempt.user_agent().map(str::to_owned),
                    at_login: attempt.session().user_agent().map(str::to_owned),
                });
                if attempt.user_agent() == Some(STRANGER) {
                    answer.expect("the assessment panics on demand")
                } else {
                    Assessment::Allow
                }
            })
    });
    (world, log)
}

fn world(answer: Option<Assessment>) -> World {
    world_with(answer, FeedLossPolicy::GoOn).0
}

const STRANGER: &str = "stranger";

fn from_stranger(mut request: Request<()>) -> Request<()> {
    request.headers_mut().insert("user-agent", STRANGER.parse().unwrap());
    request
}

fn kind(response: &Response<Bytes>) -> Option<&RejectionKind> {
    response.extensions().get::<tower_refresh::Rejection>().map(tower_refresh::Rejection::kind)
}

/// Each token that is accepted, and what the application sees of it.
const ACCEPTED: [(&str, TokenClass); 5] = [
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
async fn prepare(world: &World, case: &str) -> (Browser, SessionHandle) {
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
async fn requests_that_share_a_load_are_assessed_each_by_itself() {
    for answer in [Assessment::RequireLogin, Assessment::EndSession] {
        for stranger_first in [false, true] {
            let (world, log) = world_with(Some(answer), FeedLossPolicy::GoOn);
            let (browser, session) = expired_browser(&world, "alice").await;
            world.store.hold(Op::Load);
            let own = browser.request("/me");
            let strangers = from_stranger(browser.request("/me"));
            let (first, second) = if stranger_first { (strangers, own) } else { (own, strangers) };
            let (mut first, mut second) = (Box::pin(world.send(first)), Box::pin(world.send(second)));
            assert!(poll_until_stuck(&mut first).is_pending());
            assert!(poll_until_stuck(&mut second).is_pending());
            world.store.let_through(Op::Load);
            let (first, second) = tokio::join!(first, second);
            let (own, strangers) = if stranger_first { (second, first) } else { (first, second) };

            let label = format!("{answer:?}, {stranger_first}");
            assert_eq!(world.users.loads(), 2, "{label}: the login and one load");
            assert_eq!(log.lock().unwrap().len(), 2, "{label}");
            assert_eq!(strangers.status(), StatusCode::UNAUTHORIZED, "{label}");
            assert!(carries_nothing(&strangers), "{label}");
            match answer {
                Assessment::RequireLogin => {
                    assert_eq!(own.body(), "alice", "{label}");
                    assert_eq!(generation(&set_cookie(&own, REFRESH).unwrap()), 1, "{label}");
                    assert_eq!(world.store.calls(Op::Swap), 1, "{label}");
                }
                _ => {
                    // Whether the other one was served depends on which came first; it never has tokens that are valid.
                    let mut browser = browser.clone();
                    browser.keep(own.headers());
                    assert_eq!(world.send(browser.request("/optional")).await.body(), "-", "{label}");
                    let ended = world.store.row(session).await.unwrap().ended.unwrap();
                    assert_eq!(ended.reason, EndReason::Suspicious, "{label}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_commit_in_progress_is_not_shared_with_a_request_that_must_log_in() {
    let world = world(Some(Assessment::RequireLogin));
    let (browser, _) = expired_browser(&world, "alice").await;
    world.store.hold(Op::Swap);
    let mut own = Box::pin(world.send(browser.request("/me")));
    assert!(poll_until_stuck(&mut own).is_pending());

    let strangers = world.send(from_stranger(browser.request("/me"))).await;

    assert_eq!(strangers.status(), StatusCode::UNAUTHORIZED);
    assert!(carries_nothing(&strangers));
    world.store.let_through(Op::Swap);
    assert_eq!(generation(&set_cookie(&own.await, REFRESH).unwrap()), 1);
}

#[tokio::test]
async fn a_session_that_ends_as_suspicious_sends_nothing_to_a_request_that_is_at_its_handler() {
    let world = world(Some(Assessment::EndSession));
    let (browser, _) = expired_browser(&world, "alice").await;
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let until = gate.clone();
    let handler = move |request| {
        let until = until.clone();
        async move {
            let _ = until.acquire().await;
            crate::support::world::routes(request).await
        }
    };
    let mut own = Box::pin(world.send_to(handler, browser.request("/me")));
    assert!(poll_until_stuck(&mut own).is_pending());
    world.send(from_stranger(browser.request("/me"))).await;
    gate.close();
    let own = own.await;
    assert_eq!(own.body(), "alice", "it was let in before");
    assert!(carries_nothing(&own));
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

#[tokio::test]
async fn an_assessment_that_panics_is_a_503_and_changes_nothing() {
    for (case, _) in ACCEPTED {
        let world = world(None);
        let (browser, session) = prepare(&world, case).await;
        let before = world.store.row(session).await;

        for path in ["/me", "/optional", "/refresh"] {
            let response = world.send(from_stranger(browser.request(path))).await;
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{case}, {path}");
            assert_eq!(response.headers()["retry-after"], "1", "{case}, {path}");
            assert!(carries_nothing(&response), "{case}, {path}");
            assert!(world.take_events().contains(&EventKind::AssessmentFailed), "{case}, {path}");
        }

        let is_restored = case.contains("ahead");
        assert!(world.store.row(session).await == before || is_restored, "{case}");
        assert_eq!(world.send(browser.request("/me")).await.body(), "alice", "{case}: the session goes on");
    }
}

#[tokio::test]
async fn a_session_that_cannot_be_ended_is_a_503_and_is_ended_by_the_next_request() {
    for fault in [Fault::Fails, Fault::Panics, Fault::FailsAfterwards] {
        let world = world(Some(Assessment::EndSession));
        let (browser, session) = expired_browser(&world, "alice").await;
        world.store.break_op(Op::End, fault);
        let response = world.send(from_stranger(browser.request("/me"))).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{fault:?}");
        assert!(carries_nothing(&response), "{fault:?}");
        assert_eq!(world.take_events(), [EventKind::Suspicious, EventKind::StoreFailed], "{fault:?}");

        world.store.fix();
        let response = world.send(from_stranger(browser.request("/me"))).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{fault:?}");
        let ended = world.store.row(session).await.unwrap().ended.unwrap();
        assert_eq!(ended.reason, EndReason::Suspicious, "{fault:?}");
    }
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn the_end_of_a_suspicious_session_outlives_its_request() {
    let world = world(Some(Assessment::EndSession));
    let (browser, session) = expired_browser(&world, "alice").await;
    world.store.hold(Op::End);
    let mut response = Box::pin(world.send(from_stranger(browser.request("/me"))));
    assert!(poll_until_stuck(&mut response).is_pending());
    drop(response);
    world.store.let_through(Op::End);
    crate::support::probe::settle().await;
    assert!(world.store.row(session).await.unwrap().ended.is_some());
}

#[tokio::test]
async fn native_clients_receive_invalid_grant() {
    let expected = [
        (Assessment::RequireLogin, TokenError::LoginRequired, EventKind::LoginRequired, None),
        (
            Assessment::EndSession,
            TokenError::InvalidGrant,
            EventKind::Suspicious,
            Some(EndReason::Suspicious),
        ),
    ];
    for (answer, error, event, ended) in expected {
        let world = World::with(|builder| {
            builder.assess(move |attempt| {
                assert_eq!((attempt.ip(), attempt.user_agent()), (None, None), "there is no request");
                answer
            })
        });
        let (token, session) = native_login(&world).await;
        world.clock.advance(ACCESS_LIFETIME);
        world.take_events();

        assert_eq!(world.auth.refresh_native(&token).await.unwrap_err(), error);

        assert_eq!(error.code(), "invalid_grant");
        assert_eq!(error.status(), StatusCode::BAD_REQUEST);
        assert_eq!(world.take_events()[0], event);
        let row = world.store.row(session).await.unwrap();
        assert_eq!(row.ended.map(|ended| ended.reason), ended, "{answer:?}");
        assert_eq!(row.generation, 0, "{answer:?}");
    }
}

#[tokio::test]
async fn an_assessment_of_a_native_client_that_panics_is_temporarily_unavailable() {
    let world = World::with(|builder| builder.assess(|_| panic!("on demand")));
    let (token, session) = native_login(&world).await;
    let before = world.store.row(session).await;
    assert_eq!(world.auth.refresh_native(&token).await.unwrap_err(), TokenError::Unavailable);
    assert_eq!(world.store.row(session).await, before);
}

/// The refresh token of a native client, and its session.
async fn native_login(world: &World) -> (String, SessionHandle) {
    use tower_refresh::{Session, store::SessionStore};
    let login = |request: Request<()>| async move {
        let session = Session::<crate::support::Claims>::from_extensions(request.extensions()).unwrap();
        let tokens = session.login_native("alice").await.unwrap();
        Response::new(Bytes::from(tokens.refresh_token().unwrap().to_owned()))
    };
    let response = world.send_to(login, crate::support::request("/", &[])).await;
    let page = tower_refresh::store::Page::first(1);
    let rows = world.store.inner.list(&"alice".into(), world.auth.now(), page).await.unwrap();
    (String::from_utf8(response.body().to_vec()).unwrap(), rows[0].handle)
}

#[tokio::test]
async fn the_application_sees_the_login_and_this_request() {
    let (world, log) = world_with(Some(Assessment::Allow), FeedLossPolicy::GoOn);
    let headers = |agent| [("user-agent", agent), ("x-ip", "192.0.2.1")];
    let mut browser = Browser::new();
    browser.keep(world.send(crate::support::request("/login/alice", &headers("Fire\tfox"))).await.headers());
    let session = session_of(&browser);
    let login = world.auth.now();
    world.clock.advance(ACCESS_LIFETIME + MILLISECOND);
    let mut request = browser.request("/me");
    let long = format!("Fire\tfox{}", "x".repeat(1000));
    request.headers_mut().insert("user-agent", long.parse().unwrap());
    request.headers_mut().insert("x-ip", "198.51.100.7".parse().unwrap());
    let now = world.auth.now();
    world.send(request).await;
    let [seen] = &log.lock().unwrap()[..] else { panic!("{log:?}") };
    let expected = Seen {
        subject: "alice".to_owned(),
        session,
        class: TokenClass::Current,
        at: now,
        rotated_at: login,
        ip: Some("198.51.100.7".to_owned()),
        // As that of the login: without control characters, cut to 256 bytes before.
        user_agent: Some(format!("Firefox{}", "x".repeat(256 - "Fire\tfox".len()))),
        at_login: Some("Firefox".to_owned()),
    };
    assert_eq!(*seen, expected);
}

#[tokio::test]
async fn a_request_that_is_dropped_before_its_load_is_not_assessed_and_strands_no_other() {
    let (world, log) = world_with(Some(Assessment::EndSession), FeedLossPolicy::GoOn);
    let (browser, session) = expired_browser(&world, "alice").await;
    world.store.hold(Op::Load);
    let mut strangers = Box::pin(world.send(from_stranger(browser.request("/me"))));
    assert!(poll_until_stuck(&mut strangers).is_pending());
    let mut own = Box::pin(world.send(browser.request("/me")));
    assert!(poll_once(&mut own).is_pending());
    drop(strangers);
    world.store.let_through(Op::Load);
    assert_eq!(own.await.body(), "alice");
    assert_eq!(log.lock().unwrap().len(), 1);
    assert!(world.store.row(session).await.unwrap().ended.is_none());
}
