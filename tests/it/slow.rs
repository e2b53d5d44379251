//! Slow handlers, dropped requests, and other tabs that go on meanwhile.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use tokio::sync::Notify;
use tower_refresh::event::{EventKind, TokenClass};

use crate::support::{
    Browser, Op, World,
    browser::{ACCESS, REFRESH, generation, set_cookie},
    probe::{
        ACCESS_LIFETIME, DAMPING, GRACE, MILLISECOND, carries_nothing, expired_browser, poll_until_stuck,
        refresh, with_refresh,
    },
    store::Fault,
};

type InFlight = std::pin::Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;

/// A request that has reached its handler, which answers once it is released.
fn begin(world: &World, request: Request<()>) -> (InFlight, Arc<Notify>) {
    let (world, gate) = (world.clone(), Arc::new(Notify::new()));
    let (reached, go) = (Arc::<Mutex<bool>>::default(), gate.clone());
    let mark = reached.clone();
    let handler = move |request| {
        let (go, mark) = (go.clone(), mark.clone());
        async move {
            *mark.lock().unwrap() = true;
            go.notified().await;
            crate::support::world::routes(request).await
        }
    };
    let mut flight: InFlight = Box::pin(async move { world.send_to(handler, request).await });
    assert!(poll_until_stuck(&mut flight).is_pending());
    assert!(*reached.lock().unwrap());
    (flight, gate)
}

async fn finish((flight, gate): (InFlight, Arc<Notify>)) -> Response<Bytes> {
    gate.notify_one();
    flight.await
}

#[tokio::test]
async fn a_request_that_is_dropped_in_its_handler_rotates_nothing() {
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;
    let row = world.store.row(session).await.unwrap();

    for _ in 0..10 {
        drop(begin(&world, browser.request("/me")));
    }

    assert_eq!(world.store.row(session).await.unwrap(), row);
    assert_eq!(world.store.take_calls(), [(Op::Load, 10)]);
    assert_eq!(world.take_events(), []);
    world.clock.advance(2 * ACCESS_LIFETIME);
    let response = browser.get(&world, "/me").await;
    assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1);
}

#[tokio::test]
async fn a_request_that_is_dropped_while_it_commits_counts_as_a_lost_response() {
    for (after, class) in [
        (GRACE, TokenClass::Previous),
        (GRACE + MILLISECOND, TokenClass::Overdue),
        (DAMPING, TokenClass::Overdue),
        (DAMPING + MILLISECOND, TokenClass::Late),
    ] {
        let world = World::new();
        let (mut browser, session) = expired_browser(&world, "alice").await;
        world.store.hold_answer(Op::Swap);
        let mut request = Box::pin(world.send(browser.request("/me")));
        assert!(poll_until_stuck(&mut request).is_pending());
        drop(request);
        world.store.let_through(Op::Swap);
        assert_eq!(world.store.row(session).await.unwrap().generation, 1);
        assert_eq!(world.take_events(), []);
        world.clock.advance(after);

        let response = browser.get(&world, "/me").await;

        assert_eq!(response.status(), 200);
        assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1);
        assert_eq!(world.take_events().last(), Some(&EventKind::Refresh(class)));
    }
}

#[tokio::test]
async fn a_slow_handler_rotates_when_it_is_done_and_not_earlier() {
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;
    let slow = begin(&world, browser.request("/me"));
    world.clock.advance(5 * GRACE);
    assert_eq!(world.store.writes(session), 0);

    let response = finish(slow).await;

    assert_eq!(response.status(), 200);
    assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1);
    assert_eq!(world.users.loads(), 2);
    browser.keep(response.headers());
    assert_eq!(browser.get(&world, "/me").await.status(), 200);
    assert_eq!(world.store.calls(Op::Load), 1);
}

#[tokio::test]
async fn other_tabs_go_on_while_a_handler_is_slow_and_its_response_takes_nothing_back() {
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;
    let within_grace = begin(&world, browser.request("/me"));
    let after_grace = begin(&world, browser.request("/me"));
    let generations_later = begin(&world, browser.request("/me"));
    let response = browser.get(&world, "/me").await;
    assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1);

    world.clock.advance(GRACE);
    let response = finish(within_grace).await;
    assert_eq!(set_cookie(&response, REFRESH).as_deref(), browser.refresh());
    assert!(set_cookie(&response, ACCESS).is_some());

    world.clock.advance(MILLISECOND);
    let response = finish(after_grace).await;
    assert_eq!((response.status().as_u16(), response.body().as_ref()), (200, b"alice".as_slice()));
    assert!(carries_nothing(&response));

    for _ in 0..3 {
        refresh(&world, &mut browser).await;
    }
    let response = finish(generations_later).await;
    assert_eq!((response.status().as_u16(), response.body().as_ref()), (200, b"alice".as_slice()));
    assert!(carries_nothing(&response));

    let row = world.store.row(session).await.unwrap();
    assert_eq!((row.generation, row.ended), (4, None));
    assert_eq!(browser.get(&world, "/me").await.status(), 200);
}

#[tokio::test]
async fn a_slow_overdue_or_late_request_sends_no_tokens_once_the_successor_was_seen() {
    for (age, generation) in [(GRACE + MILLISECOND, 1), (DAMPING + MILLISECOND, 2)] {
        let world = World::new();
        let (mut browser, session) = expired_browser(&world, "alice").await;
        let old = browser.refresh().unwrap().to_owned();
        browser.get(&world, "/me").await;
        world.clock.advance(age);
        let slow = begin(&world, with_refresh("/me", &old));
        browser.drop_access();
        browser.get(&world, "/me").await;
        world.clock.advance(GRACE + MILLISECOND);

        let response = finish(slow).await;

        assert_eq!((response.status().as_u16(), response.body().as_ref()), (200, b"alice".as_slice()));
        assert!(carries_nothing(&response));
        let row = world.store.row(session).await.unwrap();
        assert_eq!((row.late_budget, row.ended), (tower_refresh::Timestamp::default(), None));
        assert_eq!(row.generation, generation);
    }
}

#[tokio::test]
async fn claims_that_grew_old_in_a_slow_handler_are_loaded_again() {
    let world = World::new();
    let (browser, _) = expired_browser(&world, "alice").await;
    let slow = begin(&world, browser.request("/me"));
    world.users.set("alice", "Alice", "user admin");
    world.clock.advance(ACCESS_LIFETIME);

    let response = finish(slow).await;

    assert_eq!(world.users.loads(), 3);
    let access = set_cookie(&response, ACCESS).unwrap();
    assert_eq!(crate::support::mint::claims(&access)["scope"], "user admin");
}

#[tokio::test]
async fn claims_that_grew_old_and_cannot_be_loaded_again_go_into_no_access_token() {
    for fault in [Fault::Fails, Fault::Panics] {
        let world = World::new();
        let (mut browser, _) = expired_browser(&world, "alice").await;
        let slow = begin(&world, browser.request("/me"));
        world.clock.advance(ACCESS_LIFETIME);
        world.users.break_loads(Some(fault));

        let response = finish(slow).await;

        assert_eq!(response.status(), 200);
        assert_eq!(set_cookie(&response, ACCESS), None);
        assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1);
        world.users.break_loads(None);
        browser.keep(response.headers());
        assert_eq!(browser.get(&world, "/me").await.status(), 200);
    }
}

#[tokio::test]
async fn a_session_that_ends_or_expires_while_the_handler_runs_is_not_refreshed() {
    type Fate = fn(&World, tower_refresh::SessionHandle) -> futures_util::future::BoxFuture<'static, ()>;
    let ended_elsewhere: Fate = |world, session| {
        let (store, now) = (world.store.inner.clone(), tower_refresh::Clock::now(&world.clock));
        Box::pin(async move {
            use tower_refresh::{event::EndReason, store::SessionStore};
            assert!(store.end(session, EndReason::Revoked, now, 1).await.unwrap());
        })
    };
    let ended_here: Fate = |world, session| {
        let auth = world.auth.clone();
        Box::pin(async move { assert!(auth.end_session(session).await.unwrap()) })
    };
    let expired: Fate = |world, _| {
        world.clock.advance(7 * crate::support::probe::DAY);
        Box::pin(std::future::ready(()))
    };
    for fate in [ended_elsewhere, ended_here, expired] {
        let world = World::new();
        let (browser, session) = expired_browser(&world, "alice").await;
        let slow = begin(&world, browser.request("/me"));
        fate(&world, session).await;

        let response = finish(slow).await;

        assert_eq!((response.status().as_u16(), response.body().as_ref()), (200, b"alice".as_slice()));
        assert!(carries_nothing(&response));
        assert_eq!(world.store.row(session).await.unwrap().generation, 0);
    }
}

#[tokio::test]
async fn a_session_that_is_purged_while_the_handler_runs_is_anonymous_in_an_explicit_refresh() {
    let world = World::new();
    let (browser, session) = expired_browser(&world, "alice").await;
    let store = world.store.inner.clone();
    let purge = move |request: Request<()>| {
        let store = store.clone();
        async move {
            use tower_refresh::{Timestamp, event::EndReason, store::SessionStore};
            store.end(session, EndReason::Revoked, Timestamp::from_secs(1), 1).await.unwrap();
            assert_eq!(store.purge_dead(Timestamp::from_secs(2)).await.unwrap(), 1);
            crate::support::world::routes(request).await
        }
    };

    let response = world.send_to(purge, browser.request("/refresh")).await;

    assert_eq!(response.status(), 401);
    assert!(carries_nothing(&response));
}

#[tokio::test]
async fn a_response_that_switches_protocols_is_authenticated_and_rotates_nothing() {
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;

    let response = browser.get(&world, "/status/101").await;

    assert!(carries_nothing(&response));
    assert_eq!(world.store.writes(session), 0);
    for status in [204, 302, 304, 404, 500] {
        let (mut browser, _) = expired_browser(&world, "alice").await;
        let response = browser.get(&world, &format!("/status/{status}")).await;
        assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1, "{status}");
    }
}

#[tokio::test]
async fn a_store_that_fails_at_the_commit_logs_no_user_out() {
    for fault in [Fault::Fails, Fault::FailsAfterwards, Fault::Panics] {
        let world = World::new();
        let mut browser = Browser::logged_in(&world, "alice").await;
        world.clock.advance(ACCESS_LIFETIME);
        world.store.break_op(Op::Swap, fault);

        let response = browser.get(&world, "/me").await;
        assert_eq!((response.status().as_u16(), response.body().as_ref()), (200, b"alice".as_slice()));
        assert!(carries_nothing(&response));

        world.store.fix();
        world.clock.advance(Duration::from_secs(3600));
        assert_eq!(browser.get(&world, "/me").await.status(), 200);
        assert!(browser.refresh().is_some_and(|token| generation(token) == 1));
    }
}
