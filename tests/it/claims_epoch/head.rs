//! The role is taken away while a request is in progress: at each of its steps. What it sends never says the former role.

use std::sync::Arc;

use http::Request;
use tokio::sync::Semaphore;
use tower_refresh::event::EventKind;

use super::{
    demote, demote_at_once, new_access, says, says_user, scope_of, show_scope, world_of_an_administrator,
};
use crate::support::{
    Browser, Op, World,
    browser::{REFRESH, generation, set_cookie},
    probe::{ACCESS_LIFETIME, DAMPING, poll_once, poll_until_stuck, session_of},
    store::Fault,
    world::InFlight,
};

/// A request whose handler waits until its gate is closed.
fn send(world: &World, request: Request<()>) -> (InFlight, Arc<Semaphore>) {
    world.send_held(show_scope, request)
}

/// When the role is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meanwhile {
    /// The store has read the row, and has not answered.
    Load,
    /// The claims source has read the role, and has not answered.
    Claims,
    Handler,
    /// The swap has not reached the store.
    BeforeSwap,
    /// The store has swapped the row, and has not answered.
    AfterSwap,
}

/// How the access token of the request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    /// It is refreshed ahead.
    NearEnd,
    Expired,
}

async fn open(world: &World, meanwhile: Meanwhile, gate: &Semaphore) {
    match meanwhile {
        Meanwhile::Load => world.store.let_through(Op::Load),
        Meanwhile::Claims => world.users.let_through(),
        Meanwhile::Handler => {}
        Meanwhile::BeforeSwap | Meanwhile::AfterSwap => world.store.let_through(Op::Swap),
    }
    gate.close();
}

#[tokio::test]
async fn what_is_sent_says_the_remaining_role_whenever_the_other_is_taken_away() {
    for age in [Age::NearEnd, Age::Expired] {
        for (meanwhile, seen, loads) in [
            (Meanwhile::Load, "user", 1),
            (Meanwhile::Claims, "user", 2),
            (Meanwhile::Handler, "user admin", 2),
            (Meanwhile::BeforeSwap, "user admin", 2),
            (Meanwhile::AfterSwap, "user admin", 2),
        ] {
            let case = format!("{age:?} {meanwhile:?}");
            let (world, mut browser) = world_of_an_administrator().await;
            let session = session_of(&browser);
            world.clock.advance(if age == Age::NearEnd { ACCESS_LIFETIME * 9 / 10 } else { ACCESS_LIFETIME });
            match meanwhile {
                Meanwhile::Load => world.store.hold_answer(Op::Load),
                Meanwhile::Claims => world.users.hold_answers(),
                Meanwhile::Handler => {}
                Meanwhile::BeforeSwap => world.store.hold(Op::Swap),
                Meanwhile::AfterSwap => world.store.hold_answer(Op::Swap),
            }
            let before = world.users.loads();
            let (mut request, gate) = send(&world, browser.request("/me"));
            if matches!(meanwhile, Meanwhile::BeforeSwap | Meanwhile::AfterSwap) {
                gate.close();
            }
            assert!(poll_until_stuck(&mut request).is_pending(), "{case}");

            demote_at_once(&world).await;
            open(&world, meanwhile, &gate).await;
            let response = request.await;

            // With a valid access token, the request came before the change.
            let seen = if age == Age::NearEnd { "user admin" } else { seen };
            assert_eq!(response.body(), seen, "{case}");
            let access = new_access(response.headers()).expect(&case);
            assert_eq!(says(&access), says_user(1), "{case}");
            assert_eq!(generation(&set_cookie(&response, REFRESH).expect(&case)), 1, "{case}");
            assert_eq!(world.users.loads() - before, loads, "{case}");
            browser.keep(response.headers());
            world.store.take_calls();
            assert_eq!(scope_of(&world, browser.request("/me")).await.body(), "user", "{case}");
            assert_eq!(world.store.take_calls(), [], "{case}");
            let row = world.store.row(session).await.unwrap();
            assert_eq!((row.generation, row.ended, row.claims_epoch), (1, None, 1), "{case}");
            assert_eq!(row.late_budget.as_millis(), 0, "{case}");
        }
    }
}

/// Without a notice: another server took the role away, and this one does not follow the feed.
#[tokio::test]
async fn without_a_notice_the_row_shows_at_the_head_that_the_claims_are_outdated() {
    for swaps in [true, false] {
        let (world, mut browser) = world_of_an_administrator().await;
        let session = session_of(&browser);
        world.clock.advance(if swaps { DAMPING * 2 } else { DAMPING });
        browser.drop_access();
        let (mut request, gate) = send(&world, browser.request("/me"));
        assert!(poll_until_stuck(&mut request).is_pending());
        demote(&world);
        let outdate = tower_refresh::store::SessionStore::outdate_claims(
            &world.store.inner,
            session,
            tower_refresh::Clock::now(&world.clock),
            7,
        );
        // No other task runs until the response, so the feed reports nothing.
        assert_eq!(futures_util::FutureExt::now_or_never(outdate).unwrap().unwrap(), Some(1));
        gate.close();

        let std::task::Poll::Ready(response) = poll_until_stuck(&mut request) else { panic!("it waits") };

        assert_eq!(response.body(), "user admin", "it came before the change");
        assert_eq!(says(&new_access(response.headers()).unwrap()), says_user(1), "{swaps}");
        assert_eq!(set_cookie(&response, REFRESH).is_some(), swaps);
    }
}

#[tokio::test]
async fn claims_that_fit_into_no_token_any_more_are_found_before_the_swap() {
    for is_noticed in [true, false] {
        let (world, mut browser) = world_of_an_administrator().await;
        let session = session_of(&browser);
        world.clock.advance(ACCESS_LIFETIME);
        browser.drop_access();
        let (mut request, gate) = send(&world, browser.request("/me"));
        assert!(poll_until_stuck(&mut request).is_pending());
        world.users.set("alice", &"n".repeat(9000), "user");
        if is_noticed {
            world.auth.reload_claims("alice").await.unwrap();
        } else {
            let now = tower_refresh::Clock::now(&world.clock);
            let outdate =
                tower_refresh::store::SessionStore::outdate_claims(&world.store.inner, session, now, 7);
            futures_util::FutureExt::now_or_never(outdate).unwrap().unwrap();
        }
        let row = world.store.row(session).await.unwrap();
        gate.close();

        // No other task runs meanwhile, so the feed reports nothing.
        let std::task::Poll::Ready(response) = poll_until_stuck(&mut request) else { panic!("it waits") };

        assert!(crate::support::probe::carries_nothing(&response), "{is_noticed}");
        assert_eq!(world.store.row(session).await.unwrap(), row, "{is_noticed}: nothing was written");
        let invalid =
            world.take_events().into_iter().filter(|kind| matches!(kind, EventKind::InvalidClaims(_)));
        assert!(invalid.count() >= 1, "{is_noticed}");
        demote(&world);
        assert_eq!(scope_of(&world, browser.request("/me")).await.body(), "user", "{is_noticed}");
    }
}

#[tokio::test]
async fn a_claims_source_that_fails_at_the_head_costs_the_access_token_and_nothing_else() {
    for meanwhile in [Meanwhile::Handler, Meanwhile::BeforeSwap, Meanwhile::AfterSwap] {
        let (world, mut browser) = world_of_an_administrator().await;
        world.clock.advance(ACCESS_LIFETIME);
        browser.drop_access();
        match meanwhile {
            Meanwhile::BeforeSwap => world.store.hold(Op::Swap),
            Meanwhile::AfterSwap => world.store.hold_answer(Op::Swap),
            _ => {}
        }
        let (mut request, gate) = send(&world, browser.request("/me"));
        if meanwhile != Meanwhile::Handler {
            gate.close();
        }
        assert!(poll_until_stuck(&mut request).is_pending());
        demote_at_once(&world).await;
        world.users.break_loads(Some(Fault::Fails));
        let loads = world.users.loads();
        open(&world, meanwhile, &gate).await;

        let response = request.await;

        assert_eq!(new_access(response.headers()), None, "{meanwhile:?}");
        assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1, "{meanwhile:?}");
        assert_eq!(world.users.loads() - loads, 1, "{meanwhile:?}: it is not asked again and again");
        world.users.break_loads(None);
        browser.keep(response.headers());
        assert_eq!(scope_of(&world, browser.request("/me")).await.body(), "user", "{meanwhile:?}");
    }
}

/// Requests that share a load, and of which the first has been sent its tokens.
#[tokio::test]
async fn requests_that_share_an_earlier_commit_share_one_load_of_the_claims_and_call_no_store() {
    let (world, mut browser) = world_of_an_administrator().await;
    world.clock.advance(ACCESS_LIFETIME);
    browser.drop_access();
    let mut requests: Vec<_> = (0..6).map(|_| send(&world, browser.request("/me"))).collect();
    requests.iter_mut().for_each(|(request, _)| assert!(poll_once(request).is_pending()));
    requests.iter_mut().for_each(|(request, _)| assert!(poll_until_stuck(request).is_pending()));
    let (first, gate) = requests.remove(0);
    gate.close();
    let response = first.await;
    assert_eq!(says(&new_access(response.headers()).unwrap()), ("user admin".to_owned(), 0));
    demote_at_once(&world).await;
    let loads = world.users.loads();
    world.store.take_calls();
    requests.iter().for_each(|(_, gate)| gate.close());

    let responses = futures_util::future::join_all(requests.into_iter().map(|(request, _)| request)).await;

    for response in responses {
        assert_eq!(response.body(), "user admin", "it came before the change");
        assert_eq!(says(&new_access(response.headers()).unwrap()), says_user(1));
        assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1);
    }
    assert_eq!(world.users.loads() - loads, 1);
    assert_eq!(world.store.take_calls(), []);
}

#[tokio::test]
async fn a_request_after_the_notice_joins_no_load_from_before_it() {
    let (world, mut browser) = world_of_an_administrator().await;
    world.clock.advance(ACCESS_LIFETIME);
    browser.drop_access();
    world.users.hold_answers();
    let mut earlier: InFlight = Box::pin({
        let (world, request) = (world.clone(), browser.request("/me"));
        async move { scope_of(&world, request).await }
    });
    // As often as it loads the claims again, they are outdated once more.
    for _ in 0..3 {
        assert!(poll_until_stuck(&mut earlier).is_pending());
        world.auth.reload_claims("alice").await.unwrap();
        world.users.let_one_through();
    }
    demote_at_once(&world).await;
    let mut later: InFlight = Box::pin({
        let (world, request) = (world.clone(), browser.request("/me"));
        async move { scope_of(&world, request).await }
    });
    assert!(poll_until_stuck(&mut later).is_pending());
    world.users.let_through();

    let (earlier, later) = futures_util::future::join(earlier, later).await;

    assert_eq!(later.body(), "user");
    for response in [&earlier, &later] {
        assert_eq!(says(&new_access(response.headers()).unwrap()), says_user(4), "{response:?}");
    }
}

#[tokio::test]
async fn tokens_that_a_handler_received_before_the_notice_are_not_set_after_it() {
    for path in ["/refresh", "/login/alice"] {
        let (world, browser) = world_of_an_administrator().await;
        world.clock.advance(DAMPING * 2);
        let auth = world.auth.clone();
        let users = world.users.clone();
        let handler = move |request: Request<()>| {
            let (auth, users) = (auth.clone(), users.clone());
            async move {
                let response = crate::support::world::routes(request).await;
                users.set("alice", "Alice", "user");
                auth.reload_claims("alice").await.unwrap();
                response
            }
        };

        let response = world.send_to(handler, browser.request(path)).await;

        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(new_access(response.headers()), None, "{path}");
        assert!(set_cookie(&response, REFRESH).is_some(), "{path}");
        let mut browser: Browser = browser;
        browser.keep(response.headers());
        assert_eq!(scope_of(&world, browser.request("/me")).await.body(), "user", "{path}");
    }
}

#[tokio::test]
async fn a_handler_that_changes_the_role_of_its_own_user_refreshes_with_one_load_of_the_claims() {
    let (world, browser) = world_of_an_administrator().await;
    world.clock.advance(DAMPING * 2);
    let loads = world.users.loads();
    let (auth, users) = (world.auth.clone(), world.users.clone());
    let handler = move |request: Request<()>| {
        let (auth, users) = (auth.clone(), users.clone());
        async move {
            users.set("alice", "Alice", "user");
            auth.reload_claims("alice").await.unwrap();
            crate::support::world::routes(request).await
        }
    };

    let response = world.send_to(handler, browser.request("/refresh")).await;

    assert_eq!(says(&new_access(response.headers()).unwrap()), says_user(1));
    assert_eq!(says(std::str::from_utf8(response.body()).unwrap()), says_user(1));
    assert_eq!(world.users.loads() - loads, 1);
}
