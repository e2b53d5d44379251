//! Requests at the same time are assessed each by itself.

use http::StatusCode;
use tower_refresh::{Assessment, FeedLossPolicy, event::EndReason};

use super::{from_stranger, world, world_with};
use crate::support::{
    Op,
    browser::{REFRESH, generation, set_cookie},
    probe::{carries_nothing, expired_browser, poll_once, poll_until_stuck},
    world::routes,
};

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
    let (mut own, gate) = world.send_held(routes, browser.request("/me"));
    assert!(poll_until_stuck(&mut own).is_pending());
    world.send(from_stranger(browser.request("/me"))).await;
    gate.close();
    let own = own.await;
    assert_eq!(own.body(), "alice", "it was let in before");
    assert!(carries_nothing(&own));
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
