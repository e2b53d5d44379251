//! Clients that keep presenting the tokens of a session that is over. A page that only uses `fetch` keeps its cookies, since only a
//! logout and navigations remove them, and must not cost a call of the store with each request.

use std::time::Duration;

use tower_refresh::{
    Clock, FeedLossPolicy,
    event::{EndReason, EventKind},
    store::SessionStore,
};

use crate::support::{
    Browser, ManualClock, Op, TestStore, World, mint,
    probe::{
        ACCESS_LIFETIME, DAMPING, DAY, alter_row, as_navigation, carries_nothing, expired_browser, refresh,
        with_bearer, with_refresh,
    },
    store::Fault,
};

/// How long an answer is remembered.
const REMEMBERED: Duration = Duration::from_secs(10);
/// How far the clocks of servers may differ.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// How a session is over, how many loads five requests within a few seconds cost, and whether a navigation of our own removes the
/// cookies.
const CASES: [(&str, usize, bool); 10] = [
    ("it was ended by a logout in another browser", 1, true),
    ("it was revoked by the application", 1, true),
    ("it was superseded by a login", 1, false),
    ("it was ended because a token was reused", 1, true),
    ("it expired more than a minute ago", 1, true),
    ("it expired just now: a server whose clock is behind may still extend it", 5, true),
    ("it was purged from the store", 1, false),
    ("it was ended, and an older token is presented", 1, true),
    ("it is live, and the token is further ahead than one lost write explains", 5, false),
    ("it is live, and late budget is missing", 5, false),
];

/// A browser whose cookies are of no use, as the case describes.
async fn prepare(world: &World, case: &str) -> Browser {
    let (mut browser, session) = expired_browser(world, "alice").await;
    let end = |reason| world.store.inner.end(session, reason, world.clock.now(), 77);
    match case {
        "it was ended by a logout in another browser" => drop(end(EndReason::Logout).await.unwrap()),
        "it was revoked by the application" => drop(world.auth.end_session(session).await.unwrap()),
        "it was superseded by a login" => drop(end(EndReason::Superseded).await.unwrap()),
        "it was ended because a token was reused" => drop(end(EndReason::Reuse).await.unwrap()),
        "it expired more than a minute ago" => world.clock.advance(7 * DAY + MAX_CLOCK_SKEW),
        "it expired just now: a server whose clock is behind may still extend it" => {
            let expiry = world.store.row(session).await.unwrap().idle_expiry;
            world.clock.set(expiry);
        }
        "it was purged from the store" => {
            end(EndReason::Logout).await.unwrap();
            world.clock.advance(SECOND);
            assert_eq!(world.store.inner.purge_dead(world.clock.now()).await.unwrap(), 1);
        }
        "it was ended, and an older token is presented" => {
            let old = browser.clone();
            refresh(world, &mut browser).await;
            refresh(world, &mut browser).await;
            end(EndReason::Logout).await.unwrap();
            browser = old;
        }
        "it is live, and the token is further ahead than one lost write explains" => {
            refresh(world, &mut browser).await;
            refresh(world, &mut browser).await;
            alter_row(world, session, |row| row.generation = 0).await;
        }
        "it is live, and late budget is missing" => {
            let old = browser.clone();
            for _ in 0..3 {
                world.clock.advance(DAMPING + SECOND);
                world.send(with_refresh("/me", old.refresh().unwrap())).await;
            }
            world.clock.advance(DAMPING + SECOND);
            browser = old;
        }
        other => panic!("{other}"),
    }
    browser.drop_access();
    world.take_events();
    world.store.take_calls();
    browser
}

#[tokio::test]
async fn five_requests_with_the_cookies_of_a_session_that_is_over_cost_one_load() {
    for (case, loads, _) in CASES {
        let world = World::new();
        let browser = prepare(&world, case).await;
        for _ in 0..5 {
            let response = world.send(browser.request("/optional")).await;
            assert_eq!(response.body(), "-", "{case}");
            assert!(carries_nothing(&response), "{case}: {response:?}");
            world.clock.advance(SECOND);
        }
        assert_eq!(world.store.take_calls(), [(Op::Load, loads)], "{case}");
    }
}

#[tokio::test]
async fn a_navigation_removes_the_cookies_whether_or_not_the_session_was_asked_for_a_moment_ago() {
    for (case, _, is_removed) in CASES {
        for requests_before in [0, 2] {
            let world = World::new();
            let browser = prepare(&world, case).await;
            for _ in 0..requests_before {
                world.send(browser.request("/optional")).await;
            }
            let response = world.send(as_navigation(browser.request("/optional"))).await;
            assert_eq!(response.body(), "-", "{case}");
            assert_eq!(!carries_nothing(&response), is_removed, "{case}: after {requests_before}");
        }
    }
}

#[tokio::test]
async fn the_memory_lasts_ten_seconds_and_no_longer_when_the_clock_is_set_back() {
    let world = World::new();
    let browser = prepare(&world, "it was purged from the store").await;
    let loads_of_a_request = async || {
        world.send(browser.request("/optional")).await;
        world.store.calls(Op::Load)
    };
    assert_eq!(loads_of_a_request().await, 1);
    world.clock.advance(REMEMBERED - Duration::from_millis(1));
    assert_eq!(loads_of_a_request().await, 1);
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(loads_of_a_request().await, 2);
    let now = world.clock.now();
    world.clock.set(now.saturating_sub(SECOND));
    assert_eq!(loads_of_a_request().await, 3);
}

/// Reuse ends the session and is reported, by the request itself: no earlier answer stands in for it.
#[tokio::test]
async fn a_reused_token_raises_its_event_and_the_next_requests_none() {
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;
    let old = browser.clone();
    refresh(&world, &mut browser).await;
    refresh(&world, &mut browser).await;
    world.take_events();
    world.store.take_calls();
    for _ in 0..5 {
        let response = world.send(with_refresh("/optional", old.refresh().unwrap())).await;
        assert_eq!(response.body(), "-");
    }
    assert_eq!(world.take_events(), [EventKind::Reuse, EventKind::End(EndReason::Reuse)]);
    assert_eq!(world.store.take_calls(), [(Op::Load, 2), (Op::End, 1)]);
    assert_eq!(world.store.row(session).await.unwrap().ended.unwrap().reason, EndReason::Reuse);
}

#[tokio::test]
async fn another_session_and_a_new_login_are_not_affected() {
    let world = World::new();
    let dead = prepare(&world, "it was ended by a logout in another browser").await;
    world.send(dead.request("/optional")).await;
    let mut browser = dead.clone();
    browser.get(&world, "/login/bob").await;
    world.clock.advance(ACCESS_LIFETIME);
    assert_eq!(browser.get(&world, "/me").await.body(), "bob");
    assert_eq!(world.send(dead.request("/optional")).await.body(), "-");
}

#[tokio::test]
async fn the_logout_of_a_dead_session_removes_its_cookies() {
    let world = World::new();
    let mut browser = prepare(&world, "it was revoked by the application").await;
    browser.get(&world, "/optional").await;
    assert_eq!(browser.get(&world, "/logout").await.status(), 200);
    assert!(browser.cookies.is_empty());
}

/// While the feed is lost, every request with a valid access token asks the store.
#[tokio::test]
async fn a_valid_access_token_of_an_ended_session_is_not_asked_for_again_and_again() {
    let store = TestStore::default();
    store.lose_feed();
    let world =
        World::on(ManualClock::new(), store, |builder| builder.feed_loss_policy(FeedLossPolicy::AskStore));
    let browser = Browser::logged_in(&world, "alice").await;
    let access = browser.access().unwrap().to_owned();
    let session = mint::session(&access);
    assert_eq!(world.send(with_bearer("/me", &access)).await.body(), "alice");
    world.store.inner.end(session, EndReason::Logout, world.clock.now(), 77).await.unwrap();
    world.store.take_calls();
    for _ in 0..5 {
        assert_eq!(world.send(with_bearer("/optional", &access)).await.status(), 401);
        assert_eq!(world.send(browser.request("/optional")).await.body(), "-");
    }
    assert_eq!(world.store.take_calls(), [(Op::Load, 1)]);
}

/// What follows for those who asked meanwhile: a store that fails is not an answer.
#[tokio::test]
async fn a_failure_is_not_remembered() {
    let world = World::new();
    let (browser, _) = expired_browser(&world, "alice").await;
    world.store.break_op(Op::Load, Fault::Fails);
    assert_eq!(world.send(with_refresh("/me", browser.refresh().unwrap())).await.status(), 503);
    world.store.fix();
    assert_eq!(world.send(with_refresh("/me", browser.refresh().unwrap())).await.body(), "alice");
}
