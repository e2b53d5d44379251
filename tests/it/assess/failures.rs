//! Assessments that panic, and sessions that cannot be ended.

use http::StatusCode;
use tower_refresh::{
    Assessment,
    event::{EndReason, EventKind},
};

use super::{
    from_stranger,
    objections::{ACCEPTED, prepare},
    world,
};
#[cfg(feature = "tokio")]
use crate::support::probe::{poll_until_stuck, settle};
use crate::support::{
    Op,
    probe::{carries_nothing, expired_browser},
    store::Fault,
};

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
    settle().await;
    assert!(world.store.row(session).await.unwrap().ended.is_some());
}
