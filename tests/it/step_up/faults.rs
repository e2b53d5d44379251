//! The store or the claims source fails at each call: the former session lives, or the new one is sent.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tower_refresh::{
    Clock, ReauthOptions,
    event::{EndReason, EventKind},
    store::SessionStore,
};

use super::{Native, live_sessions, reauthenticate, reauthenticate_native};
use crate::support::{
    Browser, ManualClock, Op, TestStore, World,
    probe::{carries_nothing, poll_until_stuck, session_of, settle, with_bearer},
    store::Fault,
};

const FAULTS: [Fault; 4] = [Fault::Fails, Fault::FailsAfterwards, Fault::Panics, Fault::Hangs];

/// Without the feed, so that a server knows of a session end only what its own calls returned.
fn world() -> World {
    let store = TestStore::default();
    store.lose_feed();
    World::on(ManualClock::new(), store, |builder| builder.backend_timeout(Duration::from_millis(20)))
}

#[track_caller]
fn assert_unavailable(response: &Response<Bytes>, case: &str) {
    assert_eq!(response.status(), 503, "{case}: {response:?}");
    assert_eq!(response.headers()["retry-after"], "1", "{case}");
    assert!(carries_nothing(response), "{case}: {response:?}");
}

#[tokio::test]
async fn whatever_call_of_the_store_fails_the_browser_has_a_live_session() {
    for op in [Op::Load, Op::Create, Op::End] {
        for fault in FAULTS {
            let case = format!("{op:?} {fault:?}");
            let world = world();
            let mut browser = Browser::logged_in(&world, "alice").await;
            world.take_events();
            world.store.break_op(op, fault);

            let response = reauthenticate(&world, browser.request("/"), ReauthOptions::new()).await;

            world.store.fix();
            // The session has ended although the store reports a failure, so the new one is sent.
            let is_sent = op == Op::End && fault == Fault::FailsAfterwards;
            if is_sent {
                assert_eq!(response.status(), 200, "{case}: {response:?}");
                assert_eq!(world.send(with_bearer("/me", browser.access().unwrap())).await.status(), 401);
                browser.keep(response.headers());
            } else {
                assert_unavailable(&response, &case);
            }
            let events = world.take_events();
            assert_eq!(events.contains(&EventKind::Reauthentication), is_sent, "{case}");
            assert_eq!(events.contains(&EventKind::End(EndReason::Superseded)), is_sent, "{case}");
            assert_eq!(browser.get(&world, "/me").await.body(), "alice", "{case}");
            browser.drop_access();
            assert_eq!(browser.get(&world, "/refresh").await.status(), 200, "{case}");
            let again = reauthenticate(&world, browser.request("/"), ReauthOptions::new()).await;
            assert_eq!(again.status(), 200, "{case}");
        }
    }
}

#[tokio::test]
async fn whatever_call_of_the_store_fails_a_native_client_has_a_live_session() {
    for op in [Op::Load, Op::Create, Op::End] {
        for fault in FAULTS {
            let case = format!("{op:?} {fault:?}");
            let world = world();
            let mut native = Native::logged_in(&world, "alice", tower_refresh::LoginOptions::new()).await;
            world.store.break_op(op, fault);

            let response =
                reauthenticate_native(&world, native.request(), &native.refresh, ReauthOptions::new()).await;

            world.store.fix();
            if op == Op::End && fault == Fault::FailsAfterwards {
                assert_eq!(response.status(), 200, "{case}: {response:?}");
                native = Native::of(&response);
            } else {
                assert_unavailable(&response, &case);
            }
            assert_eq!(world.send(with_bearer("/me", &native.access)).await.body(), "alice", "{case}");
            assert!(world.auth.refresh_native(&native.refresh).await.is_ok(), "{case}");
        }
    }
}

#[tokio::test]
async fn without_claims_nothing_is_written() {
    for fault in [Fault::Fails, Fault::Panics, Fault::Hangs] {
        let case = format!("{fault:?}");
        let world = world();
        let browser = Browser::logged_in(&world, "alice").await;
        world.users.break_loads(Some(fault));
        world.store.take_calls();

        assert_unavailable(&reauthenticate(&world, browser.request("/"), ReauthOptions::new()).await, &case);

        assert_eq!(world.store.take_calls(), [(Op::Load, 1)], "{case}");
        assert_eq!(live_sessions(&world, "alice").await.len(), 1, "{case}");
    }
}

/// Whose end it was is decided by the version of the row: another reauthentication supersedes the session as well, and its client
/// has the session that continues it.
#[tokio::test]
async fn a_session_that_somebody_else_ended_while_the_store_failed_is_not_continued() {
    for is_native in [false, true] {
        for reason in [EndReason::Superseded, EndReason::Logout, EndReason::Revoked] {
            let case = format!("native: {is_native}, {reason:?}");
            let store = TestStore::default();
            store.lose_feed();
            let world = World::on(ManualClock::new(), store, |builder| builder);
            let browser = Browser::logged_in(&world, "alice").await;
            let native = Native::logged_in(&world, "alice", tower_refresh::LoginOptions::new()).await;
            let live_before = live_sessions(&world, "alice").await.len();
            let former = if is_native { native.session() } else { session_of(&browser) };
            world.take_events();
            world.store.hold(Op::End);
            world.store.break_op(Op::End, Fault::Fails);
            let mut slow = Box::pin(async {
                if is_native {
                    let options = ReauthOptions::new();
                    reauthenticate_native(&world, native.request(), &native.refresh, options).await
                } else {
                    reauthenticate(&world, browser.request("/"), ReauthOptions::new()).await
                }
            });
            assert!(poll_until_stuck(&mut slow).is_pending());
            settle().await;
            assert_eq!(world.store.calls(Op::End), 1, "{case}");
            world.store.fix();
            let ended = world.store.inner.end(former, reason, world.clock.now(), 7).await.unwrap();
            assert!(ended, "{case}");
            world.store.let_through(Op::End);

            let response = slow.await;

            assert_eq!(response.status(), 401, "{case}: {response:?}");
            assert!(carries_nothing(&response), "{case}: {response:?}");
            assert!(!world.take_events().contains(&EventKind::Reauthentication), "{case}");
            assert_eq!(live_sessions(&world, "alice").await.len(), live_before - 1, "{case}");
            // This server has learnt of the end without the feed.
            let access = if is_native { &native.access } else { browser.access().unwrap() };
            assert_eq!(world.send(with_bearer("/me", access)).await.status(), 401, "{case}");
        }
    }
}

/// A failure of ending the former session, and the store works again when the new one is to be removed.
#[tokio::test]
async fn a_former_session_that_could_not_be_ended_leaves_no_second_one() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    world.store.hold(Op::End);
    world.store.break_op(Op::End, Fault::Fails);
    let reauthentication = tokio::spawn({
        let (world, request) = (world.clone(), browser.request("/"));
        async move { reauthenticate(&world, request, ReauthOptions::new()).await }
    });
    while world.store.calls(Op::End) == 0 {
        tokio::task::yield_now().await;
    }
    settle().await;
    world.store.fix();
    world.store.let_through(Op::End);

    assert_unavailable(&reauthentication.await.unwrap(), "the first end failed");

    let sessions = live_sessions(&world, "alice").await;
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0].handle, session_of(&browser));
    assert_eq!(browser.get(&world, "/me").await.body(), "alice");
}
