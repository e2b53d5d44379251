//! The former session: its tokens, and the requests that still present them.

use http::Request;
use tower_refresh::{
    Clock, ReauthOptions,
    event::{EndReason, EventKind},
};

use super::{end_reason, live_sessions, reauthenticate};
use crate::support::{
    Browser, Op, World,
    probe::{
        ACCESS_LIFETIME, as_navigation, carries_nothing, expired_browser, poll_until_stuck, session_of,
        settle, with_bearer, with_refresh,
    },
};

async fn reauthenticated(world: &World, browser: &mut Browser) {
    let response = reauthenticate(world, browser.request("/"), ReauthOptions::new()).await;
    assert_eq!(response.status(), 200, "{response:?}");
    browser.keep(response.headers());
}

#[tokio::test]
async fn the_tokens_from_before_are_invalid_and_raise_no_alarm() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    let old = browser.clone();
    reauthenticated(&world, &mut browser).await;
    assert_eq!(end_reason(&world, session_of(&old)).await, Some(EndReason::Superseded));
    world.take_events();

    for wait in [0, 1] {
        world.clock.advance(wait * ACCESS_LIFETIME);
        for request in [
            old.request("/me"),
            as_navigation(old.request("/me")),
            with_refresh("/me", old.refresh().unwrap()),
            as_navigation(with_refresh("/me", old.refresh().unwrap())),
            with_bearer("/me", old.access().unwrap()),
            old.request("/refresh"),
        ] {
            let response = world.send(request).await;
            assert_eq!(response.status(), 401, "{response:?}");
            assert!(carries_nothing(&response), "the browser may have the new cookies by then: {response:?}");
        }
    }
    let is_alarm = |kind: &EventKind| !matches!(kind, EventKind::Rejected(_) | EventKind::Refresh(_));
    assert_eq!(world.take_events().iter().filter(|kind| is_alarm(kind)).count(), 0);
    assert_eq!(browser.get(&world, "/me").await.body(), "alice");
}

#[tokio::test]
async fn a_request_that_overlaps_a_reauthentication_gets_no_tokens_of_the_former_session() {
    for is_navigation in [false, true] {
        let world = World::new();
        let (mut browser, session) = expired_browser(&world, "alice").await;
        let request = browser.request("/me");
        let request = if is_navigation { as_navigation(request) } else { request };
        world.store.hold(Op::Swap);
        let mut slow = Box::pin(world.send(request));
        assert!(poll_until_stuck(&mut slow).is_pending());
        assert_eq!(world.store.calls(Op::Swap), 1, "its handler has run, and its commit is under way");
        reauthenticated(&world, &mut browser).await;
        world.store.let_through(Op::Swap);

        let response = slow.await;

        assert_eq!(response.body(), "alice", "it was authenticated before");
        assert!(carries_nothing(&response), "{response:?}");
        assert_eq!(world.store.row(session).await.unwrap().generation, 0);
        assert_eq!(browser.get(&world, "/me").await.body(), "alice");
        assert!(!world.take_events().contains(&EventKind::Reuse));
    }
}

#[tokio::test]
async fn of_two_reauthentications_at_once_one_succeeds_and_one_session_is_left() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    world.take_events();
    world.store.hold(Op::Create);
    let mut first = Box::pin(reauthenticate(&world, browser.request("/"), ReauthOptions::new()));
    let mut second = Box::pin(reauthenticate(&world, browser.request("/"), ReauthOptions::new()));
    assert!(poll_until_stuck(&mut first).is_pending());
    assert!(poll_until_stuck(&mut second).is_pending());
    world.store.let_through(Op::Create);

    let (first, second) = tokio::join!(first, second);

    let (won, lost) = if first.status() == 200 { (first, second) } else { (second, first) };
    assert_eq!((won.status(), lost.status()), (http::StatusCode::OK, http::StatusCode::UNAUTHORIZED));
    assert!(carries_nothing(&lost), "{lost:?}");
    let mut browser = browser;
    browser.keep(won.headers());
    assert_eq!(browser.get(&world, "/me").await.body(), "alice");
    assert_eq!(live_sessions(&world, "alice").await.len(), 1);
    let events = world.take_events();
    assert_eq!(events.iter().filter(|kind| **kind == EventKind::Reauthentication).count(), 1, "{events:?}");
}

/// What ended the session meanwhile applies to the one that continues it.
#[tokio::test]
async fn a_session_that_ends_during_a_reauthentication_stays_ended() {
    for (is_everywhere, held) in [(false, Op::Create), (true, Op::Create), (false, Op::End), (true, Op::Load)]
    {
        let world = World::new();
        let browser = Browser::logged_in(&world, "alice").await;
        let session = session_of(&browser);
        world.store.hold(held);
        let mut slow = Box::pin(reauthenticate(&world, browser.request("/"), ReauthOptions::new()));
        assert!(poll_until_stuck(&mut slow).is_pending());
        settle().await;
        if held == Op::End {
            // Another server: its own calls are not held.
            let now = world.clock.now();
            let ended = tower_refresh::store::SessionStore::end(
                &world.store.inner,
                session,
                EndReason::Revoked,
                now,
                7,
            );
            assert!(ended.await.unwrap());
        } else if is_everywhere {
            assert_eq!(world.auth.end_subject("alice").await.unwrap(), 1);
        } else {
            assert!(world.auth.end_session(session).await.unwrap());
        }
        world.store.let_through(held);

        let response = slow.await;

        assert_eq!(response.status(), 401, "{held:?}: {response:?}");
        assert!(carries_nothing(&response), "{held:?}");
        assert_eq!(live_sessions(&world, "alice").await, [], "{held:?}");
        assert_eq!(end_reason(&world, session).await, Some(EndReason::Revoked));
        assert!(!world.take_events().contains(&EventKind::Reauthentication));
    }
}

#[tokio::test]
async fn a_reauthentication_that_is_overtaken_by_the_response_head_leaves_no_session() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    world.store.hold(Op::Create);
    let task = std::sync::Arc::<std::sync::Mutex<Option<tokio::task::JoinHandle<_>>>>::default();
    let keep = task.clone();
    let handler = move |request: Request<()>| {
        let keep = keep.clone();
        async move {
            let session =
                tower_refresh::Session::<crate::support::Claims>::from_extensions(request.extensions())
                    .unwrap();
            let late =
                tokio::spawn(async move { session.reauthenticate(ReauthOptions::new()).await.map(drop) });
            *keep.lock().unwrap() = Some(late);
            settle().await;
            http::Response::new(bytes::Bytes::new())
        }
    };
    let response = world.send_to(handler, browser.request("/")).await;
    assert!(carries_nothing(&response));
    world.store.let_through(Op::Create);

    let late = task.lock().unwrap().take().unwrap();
    let rejection = late.await.unwrap().unwrap_err();

    assert_eq!(*rejection.kind(), tower_refresh::RejectionKind::Sealed);
    assert_eq!(live_sessions(&world, "alice").await, []);
}
