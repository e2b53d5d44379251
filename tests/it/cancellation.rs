//! Requests that are dropped at any point, and inner services that fail: no other request is affected.

use std::{
    convert::Infallible,
    future::ready,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_refresh::{
    Session, SessionHandle,
    event::{EndReason, EventKind},
};

use crate::support::{
    Browser, Claims, Op, World,
    browser::{REFRESH, generation, set_cookie},
    probe::{
        DAMPING, GRACE, MILLISECOND, expired_browser, expiry, poll_once, poll_until_stuck, refresh,
        session_of, settle, with_bearer, with_refresh,
    },
};

type InFlight = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;

/// A request whose handler pauses before and after its work, and records when it is done.
fn send(world: &World, request: Request<()>) -> (InFlight, Arc<AtomicBool>) {
    let (world, served) = (world.clone(), Arc::<AtomicBool>::default());
    let note = served.clone();
    let handler = move |request| {
        let note = note.clone();
        async move {
            tokio::task::yield_now().await;
            let response = crate::support::world::routes(request).await;
            tokio::task::yield_now().await;
            note.store(true, Ordering::SeqCst);
            response
        }
    };
    (Box::pin(async move { world.send_to(handler, request).await }), served)
}

/// Polls `times` times, lets other tasks run in between, and then drops. Returns whether the future finished.
async fn drop_after(mut request: InFlight, times: usize) -> bool {
    for _ in 0..times {
        if poll_once(&mut request).is_ready() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

/// Runs `story` for a request that is dropped after no poll, one, two, … until the request finishes.
async fn for_every_drop<F: Future<Output = bool>>(story: impl Fn(usize) -> F) -> usize {
    for polls in 0..200 {
        if story(polls).await {
            return polls;
        }
    }
    panic!("it never finishes")
}

#[tokio::test]
async fn a_refresh_that_is_dropped_at_any_point_has_rotated_nothing_or_lost_a_response() {
    let lost = AtomicBool::new(false);
    let polls = for_every_drop(async |polls| {
        let world = World::new();
        let (browser, session) = expired_browser(&world, "alice").await;
        let before = world.store.row(session).await.unwrap();
        world.store.pause_in_calls();
        let (request, served) = send(&world, browser.request("/me"));

        let done = drop_after(request, polls).await;

        let row = world.store.row(session).await.unwrap();
        if !served.load(Ordering::SeqCst) {
            assert_eq!(row, before, "{polls}");
        }
        if !done {
            lost.fetch_or(row.generation == 1, Ordering::SeqCst);
            assert_eq!(world.take_events(), [], "{polls}");
        }
        assert_eq!((row.ended, row.late_budget.as_millis()), (None, 0), "{polls}");
        for later in [GRACE, MILLISECOND] {
            world.clock.advance(later);
            let response = world.send(browser.request("/me")).await;
            assert_eq!(response.body(), "alice", "{polls}");
            assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1, "{polls}");
        }
        done
    })
    .await;
    assert!(polls >= 6, "{polls}");
    assert!(lost.into_inner());
}

#[tokio::test]
async fn a_refresh_ahead_that_is_dropped_at_any_point_has_rotated_nothing_or_lost_a_response() {
    let lost = AtomicBool::new(false);
    for_every_drop(async |polls| {
        let world = World::new();
        let browser = Browser::logged_in(&world, "alice").await;
        let session = session_of(&browser);
        world.clock.set(expiry(browser.access().unwrap()).saturating_sub(GRACE));
        let before = world.store.row(session).await.unwrap();
        world.store.pause_in_calls();
        let (request, served) = send(&world, browser.request("/me"));

        let done = drop_after(request, polls).await;

        let row = world.store.row(session).await.unwrap();
        assert!(served.load(Ordering::SeqCst) || row == before, "{polls}");
        lost.fetch_or(!done && row.generation == 1, Ordering::SeqCst);
        world.clock.advance(2 * GRACE);
        assert_eq!(world.send(browser.request("/me")).await.body(), "alice", "{polls}");
        done
    })
    .await;
    assert!(lost.into_inner());
}

#[tokio::test]
async fn followers_of_a_leader_that_is_dropped_at_any_point_finish() {
    for_every_drop(async |polls| {
        let world = World::new();
        let (browser, session) = expired_browser(&world, "alice").await;
        world.store.pause_in_calls();
        let (mut leader, _) = send(&world, browser.request("/me"));
        let (mut follower, _) = send(&world, browser.request("/me"));
        let mut done = polls > 0 && poll_once(&mut leader).is_ready();
        assert!(poll_once(&mut follower).is_pending());

        done = drop_after(leader, polls.saturating_sub(1)).await || done;

        let response = follower.await;
        assert_eq!(response.body(), "alice", "{polls}");
        assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1);
        assert_eq!(world.store.row(session).await.unwrap().generation, 1);
        done
    })
    .await;
}

#[tokio::test]
async fn a_leader_goes_on_when_its_followers_are_dropped() {
    let world = World::new();
    let (browser, _) = expired_browser(&world, "alice").await;
    world.store.hold(Op::Load);
    let (mut leader, _) = send(&world, browser.request("/me"));
    assert!(poll_until_stuck(&mut leader).is_pending());
    for _ in 0..10 {
        let (mut follower, _) = send(&world, browser.request("/me"));
        assert!(poll_until_stuck(&mut follower).is_pending());
    }
    world.store.let_through(Op::Load);

    assert_eq!(leader.await.body(), "alice");
    assert_eq!(world.store.calls(Op::Load), 1);
}

#[tokio::test]
async fn a_load_that_every_request_dropped_is_forgotten() {
    let world = World::new();
    let (browser, _) = expired_browser(&world, "alice").await;
    world.store.hold(Op::Load);
    let requests: Vec<_> = (0..5).map(|_| send(&world, browser.request("/me")).0).collect();
    for mut request in requests {
        assert!(poll_until_stuck(&mut request).is_pending());
    }
    world.store.let_through(Op::Load);
    let calls = world.store.calls(Op::Load);

    assert_eq!(world.send(browser.request("/me")).await.body(), "alice");
    assert_eq!(world.store.calls(Op::Load), calls + 1);
}

/// Drops a request that ends `session` at every point. Once the store was called to end it, it ends, and this server
/// rejects its access tokens.
#[cfg(feature = "tokio")]
async fn session_end_completes<F>(reason: EndReason, op: Op, prepare: impl Fn(World) -> F)
where
    F: Future<Output = (Request<()>, SessionHandle, String)>,
{
    let ended = AtomicBool::new(false);
    for_every_drop(async |polls| {
        let world = World::new();
        let (request, session, access) = prepare(world.clone()).await;
        world.store.take_calls();
        world.store.pause_in_calls();
        let (request, _) = send(&world, request);

        let done = drop_after(request, polls).await;

        let asked = world.store.calls(op) > 0;
        settle().await;
        let row = world.store.row(session).await.unwrap();
        assert_eq!(row.ended.map(|ended| ended.reason), asked.then_some(reason), "{polls}");
        let response = world.send(with_bearer("/me", &access)).await;
        assert_eq!(response.status() == 401, asked, "{polls}");
        assert_eq!(world.take_events().contains(&EventKind::End(reason)), asked, "{polls}");
        ended.fetch_or(asked && !done, Ordering::SeqCst);
        done
    })
    .await;
    assert!(ended.into_inner());
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn a_logout_completes_when_its_request_is_dropped() {
    for path in ["/logout", "/logout-everywhere"] {
        let op = if path == "/logout" { Op::End } else { Op::EndSubject };
        session_end_completes(EndReason::Logout, op, async |world| {
            let browser = Browser::logged_in(&world, "alice").await;
            let access = browser.access().unwrap().to_owned();
            (browser.request(path), session_of(&browser), access)
        })
        .await;
    }
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn ending_a_session_for_reuse_completes_when_its_request_is_dropped() {
    session_end_completes(EndReason::Reuse, Op::End, async |world| {
        let mut browser = Browser::logged_in(&world, "alice").await;
        let copied = browser.refresh().unwrap().to_owned();
        for _ in 0..2 {
            refresh(&world, &mut browser).await;
        }
        let access = browser.access().unwrap().to_owned();
        (with_refresh("/public", &copied), session_of(&browser), access)
    })
    .await;
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn ending_a_session_whose_subject_is_gone_completes_when_its_request_is_dropped() {
    session_end_completes(EndReason::Disabled, Op::End, async |world| {
        let browser = Browser::logged_in(&world, "alice").await;
        world.users.remove("alice");
        let access = browser.access().unwrap().to_owned();
        (with_refresh("/public", browser.refresh().unwrap()), session_of(&browser), access)
    })
    .await;
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn a_login_that_is_dropped_at_any_point_leaves_the_old_session_or_none_and_can_be_repeated() {
    for_every_drop(async |polls| {
        let world = World::new();
        let mut browser = Browser::logged_in(&world, "alice").await;
        let old = session_of(&browser);
        world.take_events();
        world.store.take_calls();
        world.store.pause_in_calls();
        let (request, served) = send(&world, browser.request("/login/bob"));

        let done = drop_after(request, polls).await;

        let calls = world.store.take_calls();
        settle().await;
        let ended = world.store.row(old).await.unwrap().ended.map(|ended| ended.reason);
        if ended.is_some() {
            assert_eq!(ended, Some(EndReason::Superseded), "{polls}");
            assert!(calls.contains(&(Op::Create, 1)), "{polls}");
        }
        let expected = if ended.is_some() { "-" } else { "alice" };
        assert_eq!(world.send(browser.request("/optional")).await.body(), expected, "{polls}");
        let logged_in = world.take_events().contains(&EventKind::Login);
        assert!(!logged_in || served.load(Ordering::SeqCst) || ended.is_some(), "{polls}");
        assert!(world.auth.sessions("bob", None).await.unwrap().len() <= 1);
        assert_eq!(browser.get(&world, "/login/bob").await.status(), 200);
        browser.drop_access();
        assert_eq!(browser.get(&world, "/me").await.body(), "bob", "{polls}");
        done
    })
    .await;
}

#[tokio::test]
async fn an_explicit_refresh_that_is_dropped_at_any_point_counts_as_a_lost_response_at_most() {
    for_every_drop(async |polls| {
        let world = World::new();
        let browser = Browser::logged_in(&world, "alice").await;
        world.clock.advance(DAMPING + MILLISECOND);
        world.store.pause_in_calls();
        let (request, _) = send(&world, browser.request("/refresh"));

        let done = drop_after(request, polls).await;

        world.clock.advance(GRACE + MILLISECOND);
        let response = world.send(with_refresh("/me", browser.refresh().unwrap())).await;
        assert_eq!(response.body(), "alice", "{polls}");
        assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1, "{polls}");
        done
    })
    .await;
}

#[tokio::test]
async fn an_error_of_the_inner_service_passes_through_and_rotates_nothing() {
    let world = World::new();
    let (browser, session) = expired_browser(&world, "alice").await;
    let row = world.store.row(session).await;
    let inner = service_fn(|_: Request<()>| ready(Err::<Response<Bytes>, _>("the database is on fire")));
    let service = world.auth.layer().layer(inner);

    assert_eq!(service.oneshot(browser.request("/me")).await.unwrap_err(), "the database is on fire");

    assert_eq!(world.store.row(session).await, row);
    assert_eq!(world.take_events(), []);
    assert_eq!(world.send(browser.request("/me")).await.body(), "alice");
}

#[tokio::test]
async fn an_error_after_a_logout_still_ends_the_session() {
    let world = World::new();
    let (browser, session) = expired_browser(&world, "alice").await;
    let inner = service_fn(|request: Request<()>| async move {
        Session::<Claims>::from_extensions(request.extensions()).unwrap().logout().await.unwrap();
        Err::<Response<Bytes>, _>("too late")
    });

    assert_eq!(world.auth.layer().layer(inner).oneshot(browser.request("/")).await.unwrap_err(), "too late");

    let row = world.store.row(session).await.unwrap();
    assert_eq!((row.ended.unwrap().reason, row.generation), (EndReason::Logout, 0));
}

#[tokio::test]
async fn a_panic_of_the_inner_service_rotates_nothing_and_leaves_no_request_waiting() {
    let world = World::new();
    let (browser, session) = expired_browser(&world, "alice").await;
    let row = world.store.row(session).await;
    let in_call = service_fn(|_: Request<()>| -> std::future::Ready<Result<Response<Bytes>, Infallible>> {
        panic!("in the call")
    });
    let in_future = service_fn(|_: Request<()>| async {
        tokio::task::yield_now().await;
        if true {
            panic!("in the future");
        }
        Ok::<_, Infallible>(Response::new(Bytes::new()))
    });
    let layer = world.auth.layer();
    let first = AssertUnwindSafe(layer.layer(in_call).oneshot(browser.request("/me"))).catch_unwind();
    let second = AssertUnwindSafe(layer.layer(in_future).oneshot(browser.request("/me"))).catch_unwind();
    world.store.hold(Op::Load);
    let mut first = Box::pin(first);
    assert!(poll_until_stuck(&mut first).is_pending());
    let (mut follower, _) = send(&world, browser.request("/me"));
    assert!(poll_until_stuck(&mut follower).is_pending());
    world.store.let_through(Op::Load);

    assert!(first.await.is_err());
    assert!(second.await.is_err());

    assert_eq!(world.store.row(session).await, row);
    let response = follower.await;
    assert_eq!(response.body(), "alice");
    assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1);
}

#[tokio::test]
async fn a_future_that_was_never_polled_has_done_nothing() {
    let world = World::new();
    let (browser, _) = expired_browser(&world, "alice").await;
    let inner = service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(Bytes::new()))));
    let mut service = world.auth.layer().layer(inner);
    drop(tower::Service::call(&mut service, browser.request("/me")));
    assert_eq!(world.store.take_calls(), []);
    let mut polled = Box::pin(service.oneshot(browser.request("/me")));
    assert!(matches!(poll_until_stuck(&mut polled), Poll::Ready(Ok(_))));
}
