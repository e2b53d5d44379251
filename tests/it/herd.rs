//! The requests of a page that come at once with one expired session. A store that responds within the first poll leaves them no time
//! to join the first one's load, so they share it for a moment after it is done, while the row is as it was.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use tokio::{runtime::Builder, task::JoinSet};
use tower_refresh::{
    Assessment, Clock, DeviceBinding, SessionHandle,
    event::{EndReason, EventKind, TokenClass},
    store::SessionStore,
};

use crate::support::{
    Browser, ManualClock, Op, TestStore, World,
    browser::{ACCESS, REFRESH, generation, set_cookie},
    mint,
    probe::{
        ACCESS_LIFETIME, DAMPING, GRACE, MILLISECOND, alter_row, carries_nothing, expired_browser, refresh,
        settle, with_refresh,
    },
    request,
    store::Fault,
    world::routes,
};

/// For how long a load is shared after it was made.
const RECENT: Duration = Duration::from_secs(1);
const ROUNDS: usize = 300;
const REQUESTS: usize = 20;

/// A world with a store in the memory of the process.
fn in_memory() -> World {
    let world = World::new();
    world.store.tell_versions();
    world
}

/// Its handler takes as many turns as the request says.
async fn slow(request: Request<()>) -> Response<Bytes> {
    let turns = request.headers().get("x-turns").map_or(0, |turns| turns.to_str().unwrap().parse().unwrap());
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
    routes(request).await
}

async fn send_at_once(world: &World, browser: &Browser, is_slow: bool) -> Vec<Response<Bytes>> {
    let mut running = JoinSet::new();
    for number in 0..REQUESTS {
        let (world, mut request) = (world.clone(), browser.request("/me"));
        let turns = if is_slow { number * 7 % REQUESTS } else { 0 };
        request.headers_mut().insert("x-turns", turns.into());
        running.spawn(async move { world.send_to(slow, request).await });
    }
    running.join_all().await
}

/// The most loads and swaps of a round.
async fn most_calls(world: &World, is_slow: bool) -> [usize; 2] {
    let mut most = [0; 2];
    for _ in 0..ROUNDS {
        let (browser, session) = expired_browser(world, "alice").await;
        world.store.take_calls();
        for response in send_at_once(world, &browser, is_slow).await {
            assert_eq!(response.body(), "alice");
            assert!(set_cookie(&response, ACCESS).is_some());
            assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1);
        }
        assert_eq!(world.store.writes(session), 1);
        let calls = [Op::Load, Op::Swap].map(|op| world.store.calls(op));
        most = [0, 1].map(|index| most[index].max(calls[index]));
    }
    most
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_requests_at_once_take_two_loads_at_most_and_one_swap_of_a_store_in_memory() {
    for is_slow in [false, true] {
        let [loads, swaps] = most_calls(&in_memory(), is_slow).await;
        // The second one is for those that come while the row is new and its tokens are not signed yet.
        assert!(loads <= 2, "{loads} loads, slow handlers: {is_slow}");
        assert_eq!(swaps, 1, "slow handlers: {is_slow}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_requests_at_once_take_one_swap_of_any_store_and_one_load_each_at_most() {
    for is_slow in [false, true] {
        let world = World::new();
        world.store.pause_in_calls();
        let [loads, swaps] = most_calls(&world, is_slow).await;
        assert!(loads <= REQUESTS, "{loads} loads");
        assert_eq!(swaps, 1, "slow handlers: {is_slow}");
    }
}

/// What happens between two requests with one refresh token.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Between {
    Nothing,
    LessThanAMoment,
    AMoment,
    ClockSetBack,
    EndedHere,
    /// And this server has not heard of it.
    EndedElsewhere,
    DataElsewhere,
    ClaimsOutdatedHere,
    ClaimsOutdatedElsewhere,
    GraceOver,
}

/// The second request's loads and swaps, and whether it was authenticated.
const EACH: [(Between, [usize; 2], bool, &str); 10] = [
    (Between::Nothing, [0, 0], true, "it shares both"),
    (Between::LessThanAMoment, [0, 0], true, "it shares both"),
    (Between::AMoment, [1, 0], true, "the row says that its token is the one before, and that is recent"),
    (Between::ClockSetBack, [0, 0], true, "the age is by the monotonic clock"),
    (Between::EndedHere, [1, 0], false, "an end is never overlooked"),
    (Between::EndedElsewhere, [1, 0], false, "an end is never overlooked, whoever reports it"),
    (Between::DataElsewhere, [1, 0], true, "the row is another one"),
    (Between::ClaimsOutdatedHere, [1, 0], true, "the claims are loaded again"),
    (Between::ClaimsOutdatedElsewhere, [1, 0], true, "the claims are loaded again"),
    (Between::GraceOver, [1, 1], true, "the token is overdue, and spends late budget"),
];

async fn happen(world: &World, session: SessionHandle, between: Between) {
    let store = &world.store.inner;
    let now = world.clock.now();
    match between {
        Between::Nothing => {}
        Between::LessThanAMoment => world.clock.advance(RECENT - MILLISECOND),
        Between::AMoment => world.clock.advance(RECENT),
        Between::ClockSetBack => world.clock.set(now.saturating_sub(Duration::from_secs(5))),
        Between::EndedHere => assert!(world.auth.end_session(session).await.unwrap()),
        Between::EndedElsewhere => assert!(store.end(session, EndReason::Logout, now, 7).await.unwrap()),
        Between::DataElsewhere => alter_row(world, session, |row| row.data = b"tenant".to_vec()).await,
        Between::ClaimsOutdatedHere => assert!(world.auth.reload_session(session).await.unwrap()),
        Between::ClaimsOutdatedElsewhere => {
            assert_eq!(store.outdate_claims(session, now, 7).await.unwrap(), Some(1));
        }
        Between::GraceOver => world.clock.advance(GRACE + MILLISECOND),
    }
}

/// Without a runtime, so that no task follows the feed: nothing but the store says what has happened.
#[test]
fn a_recent_load_is_shared_as_long_as_the_row_is_as_it_was() {
    for (between, calls, is_authenticated, reason) in EACH {
        Builder::new_current_thread().build().unwrap().block_on(async {
            let world = in_memory();
            let (mut browser, session) = expired_browser(&world, "alice").await;
            browser.drop_access();
            world.store.take_calls();
            let first = world.send(browser.request("/me")).await;
            assert_eq!(world.store.take_calls(), [(Op::Load, 1), (Op::Swap, 1)]);
            world.take_events();
            happen(&world, session, between).await;
            world.store.take_calls();
            let claims = world.users.loads();

            let second = world.send(browser.request("/me")).await;

            let seen = [Op::Load, Op::Swap].map(|op| world.store.calls(op));
            assert_eq!(seen, calls, "{between:?}: {reason}");
            assert_eq!(
                world.users.loads() - claims,
                usize::from(calls[0] > 0 && is_authenticated),
                "{between:?}"
            );
            if is_authenticated {
                assert_eq!(set_cookie(&second, REFRESH), set_cookie(&first, REFRESH), "{between:?}");
            } else {
                assert_eq!(second.status(), 401, "{between:?}: {reason}");
                assert!(carries_nothing(&second), "{between:?}");
            }
        });
    }
}

#[test]
fn a_later_request_is_reported_and_assessed_as_if_it_had_loaded_the_row_itself() {
    for tells_versions in [true, false] {
        let assessed = Arc::<Mutex<Vec<_>>>::default();
        let log = assessed.clone();
        let world = World::with(|builder| {
            builder.assess(move |attempt| {
                log.lock().unwrap().push((attempt.class(), attempt.rotated_at()));
                Assessment::Allow
            })
        });
        if tells_versions {
            world.store.tell_versions();
        }
        Builder::new_current_thread().build().unwrap().block_on(async {
            let (browser, _) = expired_browser(&world, "alice").await;
            let (login, now) = (world.clock.now().saturating_sub(ACCESS_LIFETIME), world.clock.now());
            world.take_events();
            for _ in 0..3 {
                assert_eq!(world.send(browser.request("/me")).await.body(), "alice");
            }
            let as_rotated = (TokenClass::Previous, now);
            assert_eq!(*assessed.lock().unwrap(), [(TokenClass::Current, login), as_rotated, as_rotated]);
            let refreshes = [TokenClass::Current, TokenClass::Previous, TokenClass::Previous];
            assert_eq!(world.take_events(), refreshes.map(EventKind::Refresh), "{tells_versions}");
        });
    }
}

#[tokio::test]
async fn a_load_that_failed_or_did_not_authenticate_is_not_shared() {
    for fault in [Fault::Fails, Fault::FailsAfterwards] {
        let world = in_memory();
        let (browser, _) = expired_browser(&world, "alice").await;
        world.store.break_op(Op::Load, fault);
        assert_eq!(world.send(browser.request("/me")).await.status(), 503);
        world.store.fix();
        assert_eq!(world.send(browser.request("/me")).await.body(), "alice", "{fault:?}");
    }
    let world = in_memory();
    let (browser, _) = expired_browser(&world, "alice").await;
    world.users.break_loads(Some(Fault::Fails));
    assert_eq!(world.send(browser.request("/me")).await.status(), 503);
    world.users.break_loads(None);
    assert_eq!(world.send(browser.request("/me")).await.body(), "alice");
}

#[tokio::test]
async fn a_late_token_is_loaded_and_reported_by_each_request() {
    let world = in_memory();
    let (mut browser, _) = expired_browser(&world, "alice").await;
    let old = browser.refresh().unwrap().to_owned();
    // Its response is lost.
    refresh(&world, &mut browser).await;
    world.clock.advance(DAMPING + MILLISECOND);
    world.take_events();
    world.store.take_calls();
    for _ in 0..2 {
        assert!(carries_nothing(&world.send(with_refresh("/status/101", &old)).await));
    }
    assert_eq!(world.store.calls(Op::Load), 2);
    assert_eq!(world.take_events().iter().filter(|event| **event == EventKind::Late).count(), 1);
}

#[test]
fn a_role_that_is_changed_without_a_notice_takes_effect_after_a_moment() {
    Builder::new_current_thread().build().unwrap().block_on(async {
        let world = in_memory();
        let (browser, _) = expired_browser(&world, "alice").await;
        world.send(browser.request("/me")).await;
        world.users.set("alice", "Alice", "user admin");
        for (later, role) in [(RECENT - MILLISECOND, "user"), (MILLISECOND, "user admin")] {
            world.clock.advance(later);
            let access = set_cookie(&world.send(browser.request("/me")).await, ACCESS).unwrap();
            assert_eq!(mint::claims(&access)["scope"], role, "{later:?}");
        }
    });
}

/// What keeps a request from being sent the tokens of an earlier rotation on the row that it has loaded.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Doubt {
    None,
    NoFeed,
    HandlerTookAMoment,
    DataChangedHere,
    ProofsRequired,
    EndedHere,
}

#[tokio::test]
async fn the_tokens_of_another_servers_rotation_are_sent_after_one_load_unless_there_is_a_doubt() {
    for (doubt, loads, is_sent) in [
        (Doubt::None, 1, true),
        (Doubt::NoFeed, 2, true),
        (Doubt::HandlerTookAMoment, 2, true),
        (Doubt::DataChangedHere, 2, true),
        (Doubt::ProofsRequired, 2, true),
        (Doubt::EndedHere, 2, false),
    ] {
        let (clock, store) = (ManualClock::new(), TestStore::default());
        let there = World::on(clock.clone(), store.clone(), |builder| builder);
        let (browser, session) = expired_browser(&there, "alice").await;
        let sent = there.send(browser.request("/me")).await;
        if doubt == Doubt::NoFeed {
            store.lose_feed();
        }
        let here = World::on(clock.clone(), store.clone(), |builder| match doubt {
            Doubt::ProofsRequired => builder.device_binding(DeviceBinding::Enforce),
            _ => builder,
        });
        settle().await;
        let other = Browser::logged_in(&here, "bob").await;
        store.take_calls();
        let (response, gate) = here.send_held(routes, browser.request("/me"));
        let response = tokio::spawn(response);
        settle().await;
        match doubt {
            Doubt::None | Doubt::NoFeed | Doubt::ProofsRequired => {}
            Doubt::HandlerTookAMoment => clock.advance(RECENT),
            Doubt::DataChangedHere => {
                let bearer = format!("Bearer {}", other.access().unwrap());
                let response = here.send(request("/data/tenant", &[("authorization", &bearer)])).await;
                assert_eq!(response.status(), 200);
            }
            Doubt::EndedHere => assert!(here.auth.end_session(session).await.unwrap()),
        }
        let others = if doubt == Doubt::DataChangedHere { 1 } else { 0 };
        // Without tokio nothing follows the feed.
        let loads = if doubt == Doubt::None && !cfg!(feature = "tokio") { 2 } else { loads };
        gate.close();
        let response = response.await.unwrap();

        assert_eq!(response.body(), "alice", "{doubt:?}");
        assert_eq!(store.calls(Op::Load), loads + others, "{doubt:?}");
        assert_eq!(store.calls(Op::Swap), others, "{doubt:?}");
        assert_eq!(carries_nothing(&response), !is_sent, "{doubt:?}");
        if is_sent {
            assert_eq!(set_cookie(&response, REFRESH), set_cookie(&sent, REFRESH), "{doubt:?}");
        }
    }
}
