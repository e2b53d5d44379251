//! Navigations that another site starts. That site can discard the response, as often as it likes, so they read and change
//! nothing.

use http::{Request, StatusCode};
use tower_refresh::{
    FeedLossPolicy, RotationPolicy, SessionHandle,
    event::{EndReason, EventKind},
};

use crate::support::{
    Browser, Op, World,
    browser::{REFRESH, set_cookies},
    probe::{
        ACCESS_LIFETIME, DAMPING, DAY, GRACE, alter_row, carries_nothing, expired_browser, poll_until_stuck,
        refresh, session_of,
    },
    request,
};

/// How browsers mark a navigation that another site started, with the destination that is left of it.
const FROM_ELSEWHERE: [(&str, &str, &str); 3] = [
    ("cross-site", "document", "a link or a script of another site"),
    ("same-site", "document", "a link or a script of a sibling host"),
    ("cross-site", "empty", "the same, passed on by a service worker"),
];

fn navigate(mut request: Request<()>, site: &str, dest: &str) -> Request<()> {
    for (name, value) in [("sec-fetch-site", site), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", dest)]
    {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    request
}

fn from_elsewhere(request: Request<()>) -> Request<()> {
    navigate(request, "cross-site", "document")
}

/// What a navigation presents, beside whom it is served for, and the events that it raises.
const PRESENTED: [(&str, &str, &[EventKind]); 10] = [
    ("the newest token, which a request of our own would rotate", "alice", &[]),
    ("the previous token within the grace period", "alice", &[]),
    ("the previous token after the grace period, within the damping", "alice", &[]),
    ("the previous token later, although the late budget is full", "-", &[]),
    ("the previous token later, when the late budget is spent", "-", &[EventKind::Spent]),
    ("a token two generations old", "-", &[EventKind::Reuse]),
    ("a token one generation ahead of the store", "alice", &[]),
    ("a token of a session that has ended", "-", &[]),
    ("a token of a session that has expired", "-", &[]),
    ("a token of a user whom the claims source no longer knows", "-", &[EventKind::Disabled]),
];

/// A browser without an access token, in the state that the case describes, and its session.
async fn prepare(world: &World, case: &str) -> (Browser, SessionHandle) {
    let (mut browser, session) = expired_browser(world, "alice").await;
    let first = browser.refresh().unwrap().to_owned();
    let present = |browser: &mut Browser, token: &str| {
        browser.cookies.insert(REFRESH.to_owned(), token.to_owned());
    };
    match case {
        "the newest token, which a request of our own would rotate" => {}
        "the previous token within the grace period" => {
            browser.get(world, "/me").await;
            present(&mut browser, &first);
            world.clock.advance(GRACE);
        }
        "the previous token after the grace period, within the damping" => {
            browser.get(world, "/me").await;
            present(&mut browser, &first);
            world.clock.advance(DAMPING);
        }
        "the previous token later, although the late budget is full" => {
            browser.get(world, "/me").await;
            present(&mut browser, &first);
            world.clock.advance(2 * DAMPING);
        }
        "the previous token later, when the late budget is spent" => {
            browser.get(world, "/me").await;
            present(&mut browser, &first);
            alter_row(world, session, |row| row.late_budget = row.absolute_expiry).await;
            world.clock.advance(2 * DAMPING);
        }
        "a token two generations old" => {
            browser.get(world, "/me").await;
            refresh(world, &mut browser).await;
            present(&mut browser, &first);
        }
        "a token one generation ahead of the store" => {
            browser.get(world, "/me").await;
            alter_row(world, session, |row| row.generation = 0).await;
        }
        "a token of a session that has ended" => {
            assert!(world.auth.end_session(session).await.unwrap());
        }
        "a token of a session that has expired" => world.clock.advance(8 * DAY),
        "a token of a user whom the claims source no longer knows" => world.users.remove("alice"),
        _ => unreachable!("{case}"),
    }
    browser.drop_access();
    world.take_events();
    world.store.take_calls();
    (browser, session)
}

#[tokio::test]
async fn a_navigation_from_elsewhere_reads_and_changes_nothing() {
    for (site, dest, how) in FROM_ELSEWHERE {
        for (case, subject, events) in PRESENTED {
            let world = World::new();
            let (browser, session) = prepare(&world, case).await;
            let before = world.store.row(session).await;

            for _ in 0..4 {
                let response = world.send(navigate(browser.request("/optional"), site, dest)).await;
                assert_eq!(
                    (response.status(), response.body().as_ref()),
                    (StatusCode::OK, subject.as_bytes()),
                    "{case}, {how}"
                );
                assert!(carries_nothing(&response), "{case}, {how}: {response:?}");
                assert_eq!(world.take_events(), events, "{case}, {how}");
            }

            assert_eq!(world.store.row(session).await, before, "{case}, {how}");
            assert!(world.store.take_calls().iter().all(|(op, _)| *op == Op::Load), "{case}, {how}");
        }
    }
}

#[tokio::test]
async fn responses_that_another_site_discards_cost_the_user_nothing() {
    for policy in [RotationPolicy::balanced(), RotationPolicy::strict(), RotationPolicy::tolerant()] {
        let world = World::with(|builder| builder.policy(policy.clone()));
        let (mut browser, _) = expired_browser(&world, "alice").await;
        for _ in 0..6 {
            world.send(from_elsewhere(browser.request("/me"))).await;
            world.clock.advance(policy.grace + policy.damping);
        }
        for _ in 0..3 {
            assert_eq!(refresh(&world, &mut browser).await.body(), "alice", "{policy:?}");
            world.send(from_elsewhere(browser.request("/me"))).await;
        }
        let events = world.take_events();
        assert!(!events.contains(&EventKind::Late) && !events.contains(&EventKind::Reuse), "{events:?}");
    }
}

#[tokio::test]
async fn an_access_token_near_its_expiry_is_not_refreshed_ahead_for_another_site() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    world.clock.advance(ACCESS_LIFETIME * 9 / 10);
    world.store.take_calls();

    let response = world.send(from_elsewhere(browser.request("/me"))).await;

    assert_eq!(response.body(), "alice");
    assert!(carries_nothing(&response));
    assert_eq!(world.store.take_calls(), []);
}

#[tokio::test]
async fn useless_cookies_are_removed_by_navigations_of_our_own_only() {
    let world = World::new();
    let (browser, _) = prepare(&world, "a token of a session that has ended").await;
    let sites = [("none", true), ("same-origin", true), ("same-site", false), ("cross-site", false)];
    for (site, removes) in sites {
        let response = world.send(navigate(browser.request("/optional"), site, "document")).await;
        assert_eq!(!set_cookies(response.headers()).is_empty(), removes, "{site}");
    }
    let passed_on = world.send(navigate(browser.request("/optional"), "same-origin", "empty")).await;
    assert!(carries_nothing(&passed_on), "a service worker may have started it for a frame");
}

#[tokio::test]
async fn a_load_for_another_site_is_not_shared_with_a_request_of_our_own() {
    let world = World::new();
    let (browser, _) = expired_browser(&world, "alice").await;
    world.store.hold(Op::Load);
    let mut theirs = Box::pin(world.send(from_elsewhere(browser.request("/me"))));
    assert!(poll_until_stuck(&mut theirs).is_pending());
    let mut ours = Box::pin(world.send(browser.request("/me")));
    assert!(poll_until_stuck(&mut ours).is_pending());
    world.store.let_through(Op::Load);

    let (theirs, ours) = (theirs.await, ours.await);

    assert_eq!((theirs.body().as_ref(), ours.body().as_ref()), (&b"alice"[..], &b"alice"[..]));
    assert!(carries_nothing(&theirs) && !carries_nothing(&ours));
    assert_eq!(world.store.calls(Op::Swap), 1);
}

#[tokio::test]
async fn a_handler_logs_in_and_out_in_a_navigation_from_elsewhere() {
    let world = World::new();
    let (mut browser, former) = expired_browser(&world, "alice").await;
    let response = world.send(from_elsewhere(browser.request("/login/bob"))).await;
    browser.keep(response.headers());
    assert_eq!(browser.get(&world, "/me").await.body(), "bob");
    let ended = world.store.row(former).await.unwrap().ended.unwrap();
    assert_eq!(ended.reason, EndReason::Superseded);

    let response = world.send(from_elsewhere(browser.request("/logout"))).await;
    browser.keep(response.headers());
    assert_eq!(browser.refresh(), None);
}

#[tokio::test]
async fn a_handler_cannot_refresh_in_a_navigation_from_elsewhere() {
    let world = World::new();
    let (browser, session) = expired_browser(&world, "alice").await;
    let before = world.store.row(session).await;
    let response = world.send(from_elsewhere(browser.request("/refresh"))).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(carries_nothing(&response));
    assert_eq!(world.store.row(session).await, before);
}

#[tokio::test]
async fn with_a_cookie_domain_sibling_hosts_are_our_own() {
    let world = World::with(|builder| builder.cookie_domain("example.com"));
    let mut cookies = set_cookies(world.send(request("/login/alice", &[])).await.headers());
    cookies.retain(|(name, _)| name == "__Secure-refresh");
    let header = format!("__Secure-refresh={}", cookies.pop().unwrap().1.unwrap());
    world.clock.advance(ACCESS_LIFETIME);
    for (site, refreshes) in [("cross-site", false), ("same-site", true)] {
        let navigation = navigate(request("/me", &[("cookie", &header)]), site, "document");
        let response = world.send(navigation).await;
        assert_eq!(response.body(), "alice", "{site}");
        assert_eq!(!carries_nothing(&response), refreshes, "{site}");
    }
}

#[tokio::test]
async fn without_the_feed_a_valid_token_of_an_ended_session_is_anonymous_and_nothing_is_changed() {
    let world = World::with(|builder| builder.feed_loss_policy(FeedLossPolicy::AskStore));
    world.store.lose_feed();
    let mut browser = Browser::logged_in(&world, "alice").await;
    let session = session_of(&browser);
    refresh(&world, &mut browser).await;
    let before = world.store.row(session).await;
    let response = world.send(from_elsewhere(browser.request("/me"))).await;
    assert_eq!(response.body(), "alice");
    assert!(carries_nothing(&response));
    assert_eq!(world.store.row(session).await, before);
}

#[tokio::test]
async fn a_late_navigation_from_elsewhere_is_repeated_before_its_user_is_sent_to_log_in() {
    for (site, dest, how) in FROM_ELSEWHERE {
        for (case, subject, events) in PRESENTED {
            let world = World::with(|builder| builder.login_page("/login"));
            let (mut browser, session) = prepare(&world, case).await;
            let before = world.store.row(session).await;
            let is_late = case.starts_with("the previous token later");

            for _ in 0..4 {
                let response = world.send(navigate(browser.request("/me?a"), site, dest)).await;
                let status = response.status().as_u16();
                assert!(carries_nothing(&response), "{case}, {how}: {response:?}");
                assert_eq!(world.take_events(), events, "{case}, {how}");
                match subject {
                    "-" if is_late => assert_repeats(&response),
                    "-" => assert_eq!(status, 303, "{case}, {how}"),
                    _ => assert_eq!(
                        (status, response.body().as_ref()),
                        (200, subject.as_bytes()),
                        "{case}, {how}"
                    ),
                }
            }
            assert_eq!(world.store.row(session).await, before, "{case}, {how}");
            if !is_late {
                continue;
            }

            // A browser that would send the repetition as another site's too.
            let mut again = navigate(browser.request("/me?a"), site, dest);
            again.headers_mut().insert("referer", "https://api.example.com/me?a".parse().unwrap());
            assert_eq!(world.send(again).await.headers()["location"], "/login?next=/me%3Fa", "{case}, {how}");

            let repetition = navigate(browser.request("/me?a"), "same-origin", "document");
            let response = world.send(repetition).await;
            browser.keep(response.headers());
            if case.ends_with("full") {
                assert_eq!((response.status().as_u16(), response.body().as_ref()), (200, &b"alice"[..]));
                assert!(!carries_nothing(&response), "the newest tokens");
                assert_eq!(browser.get(&world, "/me").await.body(), "alice");
            } else {
                assert_eq!(response.headers()["location"], "/login?next=/me%3Fa");
            }
        }
    }
}

/// It is the page that requests itself again, without a script.
fn assert_repeats(response: &http::Response<bytes::Bytes>) {
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["cache-control"], "private, no-store");
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(response.headers()["content-security-policy"], "default-src 'none'");
    assert_eq!(response.headers()["referrer-policy"], "same-origin");
    let page = str::from_utf8(response.body()).unwrap();
    assert!(page.contains(r#"<meta http-equiv="refresh" content="0">"#), "{page}");
    assert!(!page.contains("<script") && !page.contains("<style"), "{page}");
}

#[tokio::test]
async fn a_late_navigation_is_repeated_only_where_a_login_would_help() {
    let world = World::with(|builder| builder.login_page("/login"));
    let (browser, _) = prepare(&world, "the previous token later, although the late budget is full").await;
    let navigation = || from_elsewhere(browser.request("/me"));

    let mut post = navigation();
    *post.method_mut() = http::Method::POST;
    let mut with_token = navigation();
    with_token.headers_mut().insert("authorization", "Basic YTpi".parse().unwrap());
    for (request, status) in [(post, 403), (with_token, 401), (navigation(), 200)] {
        assert_eq!(world.send(request).await.status(), status);
    }

    let without = World::new();
    let (browser, _) = prepare(&without, "the previous token later, although the late budget is full").await;
    assert_eq!(without.send(from_elsewhere(browser.request("/me"))).await.status(), StatusCode::UNAUTHORIZED);
}
