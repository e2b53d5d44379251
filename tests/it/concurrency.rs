//! Concurrent requests of one session: they share the load, and one of them rotates.

use std::{
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
};

use bytes::Bytes;
use futures_util::future::poll_fn;
use http::{Request, Response};
use tokio::{sync::oneshot, task::JoinSet};
use tower_refresh::event::{EventKind, TokenClass};

use crate::support::{
    Browser, Op, World,
    browser::{ACCESS, REFRESH, generation, set_cookie},
    mint,
    probe::{
        ACCESS_LIFETIME, GRACE, MILLISECOND, carries_nothing, expired_browser, poll_once, poll_until_stuck,
        refresh, with_refresh,
    },
    store::Fault,
    world::routes,
};

/// Runs `future`, and counts it as soon as it waits.
async fn counted<F: Future>(future: F, waiting: Arc<AtomicUsize>) -> F::Output {
    let mut future = pin!(future);
    let mut polled = false;
    poll_fn(|context| {
        let poll = future.as_mut().poll(context);
        if !polled && poll.is_pending() {
            waiting.fetch_add(1, Ordering::SeqCst);
        }
        polled = true;
        poll
    })
    .await
}

/// Sends the requests at once, holds the store until all of them wait for it, and returns the responses.
async fn at_once(world: &World, requests: impl IntoIterator<Item = Request<()>>) -> Vec<Response<Bytes>> {
    world.store.hold(Op::Load);
    let waiting = Arc::<AtomicUsize>::default();
    let mut tasks = JoinSet::new();
    for request in requests {
        let (world, waiting) = (world.clone(), waiting.clone());
        tasks.spawn(async move { counted(world.send(request), waiting).await });
    }
    while waiting.load(Ordering::SeqCst) < tasks.len() {
        tokio::task::yield_now().await;
    }
    world.store.let_through(Op::Load);
    tasks.join_all().await
}

fn count(responses: &[Response<Bytes>], is: impl Fn(&Response<Bytes>) -> bool) -> usize {
    responses.iter().filter(|response| is(response)).count()
}

fn is_alice(response: &Response<Bytes>) -> bool {
    response.status() == 200 && response.body() == "alice"
}

/// The single refresh token of all responses that carry one.
fn the_refresh_token(responses: &[Response<Bytes>]) -> Option<String> {
    let mut tokens: Vec<_> = responses.iter().filter_map(|response| set_cookie(response, REFRESH)).collect();
    tokens.sort_unstable();
    tokens.dedup();
    assert!(tokens.len() <= 1, "{tokens:?}");
    tokens.pop()
}

async fn two_hundred_requests_share_one_refresh() {
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;
    let claims_loads = world.users.loads();

    let responses = at_once(&world, (0..200).map(|_| browser.request("/me"))).await;

    assert_eq!(count(&responses, is_alice), 200);
    assert_eq!(world.users.loads(), claims_loads + 1);
    assert!(world.store.calls(Op::Load) <= 1 + 200, "{}", world.store.calls(Op::Load));
    assert!(world.store.calls(Op::Swap) <= 200);
    let row = world.store.row(session).await.unwrap();
    assert_eq!((row.generation, world.store.writes(session)), (1, 1));
    let token = the_refresh_token(&responses).unwrap();
    assert_eq!(generation(&token), 1);
    for response in &responses {
        assert_eq!(set_cookie(response, REFRESH).is_some(), set_cookie(response, ACCESS).is_some());
        browser.keep(response.headers());
    }
    assert_eq!(count(&responses, |response| set_cookie(response, REFRESH).is_some()), 200);
    assert!(is_alice(&browser.get(&world, "/me").await));
    refresh(&world, &mut browser).await;
}

#[tokio::test]
async fn two_hundred_concurrent_requests_share_one_refresh() {
    two_hundred_requests_share_one_refresh().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_requests_on_several_threads_share_one_refresh() {
    for _ in 0..10 {
        two_hundred_requests_share_one_refresh().await;
    }
}

#[tokio::test]
async fn two_hundred_commits_at_once_share_one_swap() {
    let world = World::new();
    let (browser, session) = expired_browser(&world, "alice").await;
    let mut requests: Vec<_> = (0..200).map(|_| Box::pin(world.send(browser.request("/me")))).collect();
    world.store.hold(Op::Swap);
    for request in &mut requests {
        assert!(poll_until_stuck(request).is_pending());
    }
    // Each of them came alone, so each made its own load.
    assert_eq!(world.store.take_calls(), [(Op::Load, 200), (Op::Swap, 1)]);
    world.store.let_through(Op::Swap);

    let mut responses = Vec::new();
    for request in requests {
        responses.push(request.await);
    }

    assert_eq!(count(&responses, is_alice), 200);
    assert_eq!(world.store.take_calls(), []);
    let row = world.store.row(session).await.unwrap();
    assert_eq!((row.generation, world.store.writes(session)), (1, 1));
    assert_eq!(generation(&the_refresh_token(&responses).unwrap()), 1);
}

#[tokio::test]
async fn a_thousand_requests_at_once_take_one_load_and_one_swap_whichever_of_them_are_dropped() {
    for dropped in [0, 1, 999] {
        // The store is held for as long as a thousand requests take on a busy machine.
        let world = World::with(|builder| builder.backend_timeout(std::time::Duration::from_secs(30)));
        let (browser, session) = expired_browser(&world, "alice").await;
        world.store.hold(Op::Load);
        world.store.hold(Op::Swap);
        let mut requests: Vec<_> = (0..1000).map(|_| Box::pin(world.send(browser.request("/me")))).collect();
        for request in &mut requests {
            assert!(poll_until_stuck(request).is_pending());
        }
        world.store.let_through(Op::Load);
        for request in &mut requests {
            assert!(poll_until_stuck(request).is_pending());
        }
        // The first ones have started the load and the commit.
        drop(requests.drain(..dropped));
        world.store.let_through(Op::Swap);

        for request in requests {
            let response = request.await;
            assert!(is_alice(&response));
            assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1);
        }
        assert_eq!(world.store.take_calls(), [(Op::Load, 1), (Op::Swap, 1)], "{dropped} dropped");
        assert_eq!(world.store.row(session).await.unwrap().generation, 1);
    }
}

#[tokio::test]
async fn a_logout_while_a_commit_is_shared_leaves_no_request_a_token() {
    let world = World::new();
    let (browser, session) = expired_browser(&world, "alice").await;
    world.store.hold(Op::Load);
    world.store.hold_answer(Op::Swap);
    let mut requests: Vec<_> = (0..10).map(|_| Box::pin(world.send(browser.request("/me")))).collect();
    for request in &mut requests {
        assert!(poll_until_stuck(request).is_pending());
    }
    world.store.let_through(Op::Load);
    for request in &mut requests {
        assert!(poll_until_stuck(request).is_pending());
    }
    assert!(world.auth.end_session(session).await.unwrap());
    world.store.let_through(Op::Swap);
    for request in requests {
        let response = request.await;
        assert!(carries_nothing(&response), "{response:?}");
    }
}

#[tokio::test]
async fn old_and_new_tokens_at_once_all_pass_and_no_token_goes_back() {
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;
    let old = browser.refresh().unwrap().to_owned();
    browser.get(&world, "/me").await;
    let new = browser.refresh().unwrap().to_owned();
    world.clock.advance(GRACE);
    world.store.take_calls();
    let claims_loads = world.users.loads();

    let requests = (0..200).map(|number| with_refresh("/me", if number % 2 == 0 { &old } else { &new }));
    let responses = at_once(&world, requests).await;

    assert_eq!(count(&responses, is_alice), 200);
    assert_eq!(world.users.loads(), claims_loads + 2);
    assert_eq!(the_refresh_token(&responses), Some(new));
    assert_eq!(count(&responses, |response| set_cookie(response, REFRESH).is_some()), 100);
    assert_eq!(count(&responses, |response| set_cookie(response, ACCESS).is_some()), 200);
    let row = world.store.row(session).await.unwrap();
    assert_eq!((row.generation, row.confirmed, row.ended), (1, true, None));
}

/// The old token is overdue, while the new one is seen for the first time: whichever wins, no user is logged out.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn overdue_and_new_tokens_at_once_all_pass() {
    for _ in 0..20 {
        let world = World::new();
        let (mut browser, session) = expired_browser(&world, "alice").await;
        let old = browser.refresh().unwrap().to_owned();
        browser.get(&world, "/me").await;
        let new = browser.refresh().unwrap().to_owned();
        world.clock.advance(GRACE + MILLISECOND);

        let requests = (0..40).map(|number| with_refresh("/me", if number % 2 == 0 { &old } else { &new }));
        let responses = at_once(&world, requests).await;

        assert_eq!(count(&responses, is_alice), 40);
        let row = world.store.row(session).await.unwrap();
        assert_eq!((row.generation, row.confirmed, row.ended), (1, true, None));
        assert!(the_refresh_token(&responses).is_none_or(|token| token == new));
    }
}

#[tokio::test]
async fn requests_of_different_sessions_share_nothing() {
    let world = World::new();
    let (first, _) = expired_browser(&world, "alice").await;
    let second = Browser::logged_in(&world, "alice").await;
    world.clock.advance(crate::support::probe::ACCESS_LIFETIME);
    world.store.take_calls();
    let claims_loads = world.users.loads();

    let responses = at_once(&world, [first.request("/me"), second.request("/me")]).await;

    assert_eq!(count(&responses, is_alice), 2);
    assert_eq!(world.users.loads(), claims_loads + 2);
    assert_eq!(world.store.take_calls(), [(Op::Load, 2), (Op::Swap, 2)]);
}

#[tokio::test]
async fn nothing_is_remembered_once_the_shared_load_is_done() {
    let world = World::new();
    let (browser, _) = expired_browser(&world, "alice").await;
    at_once(&world, (0..3).map(|_| browser.request("/status/101"))).await;
    world.users.set("alice", "Alice", "user admin");
    world.store.take_calls();

    let response = world.send(browser.request("/me")).await;

    assert_eq!(world.store.take_calls(), [(Op::Load, 1), (Op::Swap, 1)]);
    let access = set_cookie(&response, ACCESS).unwrap();
    assert_eq!(crate::support::mint::claims(&access)["scope"], "user admin");
}

#[tokio::test]
async fn an_explicit_refresh_gets_current_claims_and_not_those_of_a_load_under_way() {
    let world = World::new();
    let (browser, _) = expired_browser(&world, "alice").await;
    world.users.pause_in_loads();
    let mut earlier = Box::pin(world.send(browser.request("/me")));
    assert!(poll_once(&mut earlier).is_pending(), "it has read the claims, and waits");
    let users = world.users.clone();
    let upgrade = move |request: http::Request<()>| {
        users.set("alice", "Alice", "user admin");
        crate::support::world::routes(request)
    };

    let later = world.send_to(upgrade, browser.request("/refresh")).await;

    let access = set_cookie(&later, ACCESS).unwrap();
    assert_eq!(crate::support::mint::claims(&access)["scope"], "user admin");
    assert_eq!(earlier.await.body(), "alice");
}

#[tokio::test]
async fn followers_of_a_failed_leader_try_once_more_together() {
    for fault in [Fault::Fails, Fault::FailsAfterwards, Fault::Panics] {
        let world = World::new();
        let (browser, session) = expired_browser(&world, "alice").await;
        world.store.hold(Op::Load);
        world.store.break_op(Op::Load, fault);
        let mut requests: Vec<_> = (0..10).map(|_| Box::pin(world.send(browser.request("/me")))).collect();
        for request in &mut requests {
            assert!(poll_until_stuck(request).is_pending());
        }
        world.store.fix();
        world.store.let_through(Op::Load);

        let responses = futures_util::future::join_all(requests).await;

        assert_eq!(count(&responses, |response| response.status() == 503), 1, "{fault:?}");
        assert_eq!(count(&responses, is_alice), 9, "{fault:?}");
        assert!(count(&responses, carries_nothing) == 1);
        assert_eq!(world.store.writes(session), 1);
    }
}

#[tokio::test]
async fn followers_try_once_more_and_not_forever() {
    let world = World::new();
    let (browser, session) = expired_browser(&world, "alice").await;
    world.store.break_op(Op::Load, Fault::Fails);

    let responses = at_once(&world, (0..50).map(|_| browser.request("/me"))).await;

    assert_eq!(count(&responses, |response| response.status() == 503), 50);
    assert_eq!(count(&responses, carries_nothing), 50);
    assert!(world.store.calls(Op::Load) <= 50);
    assert_eq!(world.store.writes(session), 0);
}

#[tokio::test]
async fn a_claims_source_that_panics_leaves_no_request_waiting() {
    let world = World::new();
    let (browser, session) = expired_browser(&world, "alice").await;
    world.users.break_loads(Some(Fault::Panics));
    let responses = at_once(&world, (0..10).map(|_| browser.request("/me"))).await;
    assert_eq!(count(&responses, |response| response.status() == 503), 10);
    assert_eq!(world.store.writes(session), 0);

    world.users.break_loads(None);
    let responses = at_once(&world, (0..10).map(|_| browser.request("/me"))).await;
    assert_eq!(count(&responses, is_alice), 10);
}

#[tokio::test]
async fn a_stolen_token_presented_many_times_at_once_ends_the_session_once() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    let old = browser.refresh().unwrap().to_owned();
    for _ in 0..2 {
        refresh(&world, &mut browser).await;
    }
    world.take_events();

    let responses = at_once(&world, (0..50).map(|_| with_refresh("/me", &old))).await;

    assert_eq!(count(&responses, |response| response.status() == 401), 50);
    assert_eq!(count(&responses, carries_nothing), 50);
    let ends = world.take_events().into_iter().filter(|event| matches!(event, EventKind::End(_)));
    assert_eq!(ends.count(), 1);
}

#[tokio::test]
async fn each_request_of_a_burst_reports_its_own_refresh() {
    let world = World::new();
    let (browser, _) = expired_browser(&world, "alice").await;
    at_once(&world, (0..5).map(|_| browser.request("/me"))).await;
    assert_eq!(world.take_events(), [EventKind::Refresh(TokenClass::Current); 5]);
}

#[tokio::test]
async fn a_session_that_is_written_again_and_again_sends_nothing_and_is_swapped_four_times_at_most() {
    let world = World::new();
    let (browser, session) = expired_browser(&world, "alice").await;
    let mut request = Box::pin(world.send(browser.request("/me")));
    for _ in 0..10 {
        world.store.hold(Op::Swap);
        if let Poll::Ready(response) = poll_until_stuck(&mut request) {
            assert!(is_alice(&response) && carries_nothing(&response));
            assert!(world.store.calls(Op::Swap) <= 4);
            assert!(world.store.calls(Op::Load) <= 1 + 3);
            return;
        }
        // Another server writes, and keeps the generation.
        crate::support::probe::alter_row(&world, session, |row| row.confirmed = !row.confirmed).await;
        world.store.let_through(Op::Swap);
        world.clock.advance(MILLISECOND);
    }
    panic!("it tries forever");
}

#[tokio::test]
async fn a_load_that_read_the_row_before_a_logout_authenticates_no_request_after_it() {
    let world = World::new();
    let (browser, session) = expired_browser(&world, "alice").await;
    world.store.hold_answer(Op::Load);
    let mut before = Box::pin(world.send(browser.request("/me")));
    assert!(poll_until_stuck(&mut before).is_pending());

    assert!(world.auth.end_session(session).await.unwrap());
    let mut after = Box::pin(world.send(browser.request("/me")));
    assert!(poll_until_stuck(&mut after).is_pending(), "it joins the load under way");
    world.store.let_through(Op::Load);

    for response in [before.await, after.await] {
        assert_eq!(response.status(), 401);
        assert!(carries_nothing(&response));
    }
}

type InFlight = Pin<Box<dyn Future<Output = Response<Bytes>>>>;

/// Sends a request, and polls it until its commit waits for the store.
fn in_commit(world: &World, browser: &Browser) -> InFlight {
    let (world, request) = (world.clone(), browser.request("/me"));
    let mut request: InFlight = Box::pin(async move { world.send(request).await });
    assert!(poll_until_stuck(&mut request).is_pending());
    request
}

fn scope(response: &Response<Bytes>) -> String {
    mint::claims(&set_cookie(response, ACCESS).unwrap())["scope"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn requests_that_share_a_commit_get_the_newest_claims_that_one_of_them_has_loaded() {
    for (roles, expected) in [
        (["user", "user", "user"], ["user", "user", "user"]),
        (["user", "user admin", "user admin"], ["user", "user admin", "user admin"]),
        (["user admin", "user", "user"], ["user admin", "user", "user"]),
        (["user", "user admin", "user"], ["user", "user admin", "user"]),
    ] {
        let world = World::new();
        world.users.set("alice", "Alice", "user");
        let (browser, session) = expired_browser(&world, "alice").await;
        world.store.hold(Op::Swap);
        // Each of them has a load of its own, and the first one commits for all.
        let requests = roles.map(|role| {
            world.users.set("alice", "Alice", role);
            in_commit(&world, &browser)
        });
        assert_eq!(world.store.take_calls(), [(Op::Load, 3), (Op::Swap, 1)]);
        world.store.let_through(Op::Swap);

        let mut tokens = Vec::new();
        for (request, expected) in requests.into_iter().zip(expected) {
            let response = request.await;
            assert_eq!(scope(&response), expected, "{roles:?}");
            assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1);
            tokens.push(set_cookie(&response, ACCESS).unwrap());
        }

        assert_eq!(world.store.writes(session), 1);
        tokens.dedup();
        let changes = roles.windows(2).filter(|roles| roles[0] != roles[1]).count();
        assert_eq!(tokens.len(), 1 + changes, "equal claims share a token: {roles:?}");
    }
}

/// Sends a request whose handler waits until the sender is used, and polls it until then.
fn in_handler(world: &World, browser: &Browser) -> (oneshot::Sender<()>, InFlight) {
    let (proceed, wait) = oneshot::channel();
    let wait = Arc::new(Mutex::new(Some(wait)));
    let handler = move |request: Request<()>| {
        let wait = wait.lock().unwrap().take();
        async move {
            if let Some(wait) = wait {
                wait.await.unwrap();
            }
            routes(request).await
        }
    };
    let (world, request) = (world.clone(), browser.request("/me"));
    let mut request: InFlight = Box::pin(async move { world.send_to(handler, request).await });
    assert!(poll_until_stuck(&mut request).is_pending());
    (proceed, request)
}

#[tokio::test]
async fn a_request_with_older_claims_gets_the_newer_ones_of_the_commit_that_it_joins() {
    let world = World::new();
    let (browser, _) = expired_browser(&world, "alice").await;
    let (proceed, mut slow) = in_handler(&world, &browser);
    world.users.set("alice", "Alice", "user admin");
    world.store.hold(Op::Swap);
    let fast = in_commit(&world, &browser);
    proceed.send(()).unwrap();
    assert!(poll_until_stuck(&mut slow).is_pending());
    assert_eq!(world.store.calls(Op::Swap), 1);
    world.store.let_through(Op::Swap);

    assert_eq!([scope(&slow.await), scope(&fast.await)], ["user admin"; 2]);
}

#[tokio::test]
async fn a_request_that_joins_a_commit_whose_claims_do_not_fit_commits_with_its_own() {
    let world = World::new();
    let (browser, session) = expired_browser(&world, "alice").await;
    let (proceed, mut slow) = in_handler(&world, &browser);
    world.clock.advance(ACCESS_LIFETIME);
    world.users.set("alice", &"n".repeat(9000), "user");
    world.users.pause_in_loads();
    proceed.send(()).unwrap();
    assert!(poll_once(&mut slow).is_pending(), "it loads the claims again, in the commit");
    world.users.set("alice", "Alice", "user");
    let loads = world.users.loads();

    let fast = world.send(browser.request("/me")).await;

    assert_eq!(world.users.loads(), loads + 1, "it has a load of its own");
    assert_eq!(generation(&set_cookie(&fast, REFRESH).unwrap()), 1);
    assert!(set_cookie(&fast, ACCESS).is_some());
    assert!(is_alice(&fast));
    let slow = slow.await;
    assert!(is_alice(&slow) && carries_nothing(&slow), "{slow:?}");
    assert_eq!(world.store.writes(session), 1);
    let is_invalid = |event: &EventKind| matches!(event, EventKind::InvalidClaims(_));
    assert_eq!(world.take_events().iter().filter(|event| is_invalid(event)).count(), 1);
}
