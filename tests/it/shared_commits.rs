//! Requests that share a load, and respond one after the other: the later ones are sent what the first commit issued.

use std::{sync::Arc, task::Poll, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use tokio::{runtime::Builder, sync::Semaphore};
use tower_refresh::{Clock, FeedLossPolicy, SessionHandle, event::EndReason, store::SessionStore};

use crate::support::{
    Op, World,
    browser::{ACCESS, REFRESH, generation, set_cookie},
    probe::{
        ACCESS_LIFETIME, DAMPING, GRACE, MILLISECOND, carries_nothing, expired_browser, poll_until_stuck,
        refresh, with_refresh,
    },
    store::Fault,
    world::{InFlight, routes},
};

/// A request whose handler waits until its gate is closed.
fn send(world: &World, request: Request<()>) -> (InFlight, Arc<Semaphore>) {
    world.send_held(routes, request)
}

/// Two requests after this number of loads, the first of which has been sent its tokens.
async fn after_the_first(
    world: &World,
    loads: usize,
) -> (SessionHandle, Response<Bytes>, InFlight, Arc<Semaphore>) {
    let (browser, session) = expired_browser(world, "alice").await;
    let (mut first, first_gate) = send(world, browser.request("/me"));
    let (mut second, second_gate) = send(world, browser.request("/me"));
    world.store.hold(Op::Load);
    assert!(poll_until_stuck(&mut first).is_pending());
    assert!(poll_until_stuck(&mut second).is_pending());
    world.store.let_through(Op::Load);
    for request in [&mut second, &mut first] {
        assert!(poll_until_stuck(request).is_pending());
    }
    assert_eq!(world.store.take_calls(), [(Op::Load, loads)]);
    first_gate.close();
    let response = first.await;
    assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1);
    assert_eq!(world.store.take_calls(), [(Op::Swap, 1)]);
    (session, response, second, second_gate)
}

fn tokens(response: &Response<Bytes>) -> [Option<String>; 2] {
    assert_eq!(response.body(), "alice");
    [ACCESS, REFRESH].map(|name| set_cookie(response, name))
}

#[tokio::test]
async fn a_later_response_is_sent_the_same_tokens_without_the_store_within_the_grace_period() {
    for later in [Duration::ZERO, GRACE / 2, GRACE] {
        let world = World::new();
        let (_, first, second, gate) = after_the_first(&world, 1).await;
        world.clock.advance(later);
        // It would not be answered.
        world.store.break_op(Op::Load, Fault::Hangs);
        world.store.break_op(Op::Swap, Fault::Hangs);
        gate.close();
        assert_eq!(tokens(&second.await), tokens(&first), "{later:?}");
        assert_eq!(world.store.take_calls(), [], "{later:?}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    GracePeriodOver,
    EndedHere,
    /// And this server has not heard of it when the grace period is over.
    EndedElsewhere,
}

#[tokio::test]
async fn a_later_response_is_decided_on_the_stored_row_where_the_first_one_does_not_settle_it() {
    let cases: [(Meanwhile, &[(Op, usize)]); 3] = [
        (Meanwhile::GracePeriodOver, &[(Op::Load, 1), (Op::Swap, 1)]),
        (Meanwhile::EndedHere, &[(Op::Load, 1)]),
        (Meanwhile::EndedElsewhere, &[(Op::Load, 1), (Op::Swap, 1)]),
    ];
    for (meanwhile, calls) in cases {
        let world = World::new();
        let (session, _, mut second, gate) = after_the_first(&world, 1).await;
        match meanwhile {
            Meanwhile::GracePeriodOver => world.clock.advance(GRACE + MILLISECOND),
            Meanwhile::EndedHere => {
                assert!(world.auth.end_session(session).await.unwrap());
            }
            Meanwhile::EndedElsewhere => {
                let end = world.store.inner.end(session, EndReason::Logout, world.clock.now(), 7);
                assert!(end.await.unwrap());
                world.clock.advance(GRACE + MILLISECOND);
            }
        }
        world.store.take_calls();
        gate.close();
        // No other task runs meanwhile, so the feed reports nothing.
        let Poll::Ready(response) = poll_until_stuck(&mut second) else { panic!("it waits") };
        assert_eq!(response.body(), "alice", "{meanwhile:?}: it was let in before");
        assert!(carries_nothing(&response), "{meanwhile:?}");
        assert_eq!(world.store.take_calls(), calls, "{meanwhile:?}");
    }
}

#[test]
fn a_server_that_must_ask_the_store_asks_it_for_each_response() {
    // Outside of a runtime, so that no task follows the feed.
    let world = World::with(|builder| builder.feed_loss_policy(FeedLossPolicy::AskStore));
    Builder::new_current_thread().build().unwrap().block_on(async {
        let (_, first, second, gate) = after_the_first(&world, 2).await;
        gate.close();
        assert_eq!(tokens(&second.await)[1], tokens(&first)[1]);
        assert_eq!(world.store.take_calls(), [(Op::Load, 1), (Op::Swap, 1)]);
    });
}

#[tokio::test]
async fn a_commit_that_issued_no_access_token_is_repeated() {
    let world = World::new();
    let (browser, session) = expired_browser(&world, "alice").await;
    let (mut first, first_gate) = send(&world, browser.request("/me"));
    let (mut second, second_gate) = send(&world, browser.request("/me"));
    world.store.hold(Op::Load);
    assert!(poll_until_stuck(&mut first).is_pending());
    assert!(poll_until_stuck(&mut second).is_pending());
    world.store.let_through(Op::Load);
    for request in [&mut second, &mut first] {
        assert!(poll_until_stuck(request).is_pending());
    }
    // The claims are too old, and cannot be loaded again.
    world.clock.advance(ACCESS_LIFETIME);
    world.users.break_loads(Some(Fault::Fails));
    first_gate.close();
    let [access, refreshed] = tokens(&first.await);
    assert!(access.is_none() && refreshed.is_some());
    world.users.break_loads(None);
    second_gate.close();

    let [access, again] = tokens(&second.await);

    assert!(access.is_some());
    assert_eq!(again, refreshed);
    assert_eq!(world.store.row(session).await.unwrap().generation, 1);
}

#[tokio::test]
async fn upgrades_with_one_late_token_spend_its_budget_together() {
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;
    let old = browser.refresh().unwrap().to_owned();
    // Its response is lost.
    refresh(&world, &mut browser).await;
    world.clock.advance(DAMPING + MILLISECOND);
    world.store.take_calls();
    world.store.hold(Op::Swap);
    let upgrades = (0..3).map(|_| Box::pin(world.send(with_refresh("/status/101", &old))));
    let mut upgrades: Vec<_> = upgrades.collect();
    for upgrade in &mut upgrades {
        assert!(poll_until_stuck(upgrade).is_pending());
    }
    world.store.let_through(Op::Swap);
    for upgrade in upgrades {
        let response = upgrade.await;
        assert_eq!(response.status(), 101);
        assert!(carries_nothing(&response));
    }

    assert_eq!(world.store.take_calls(), [(Op::Load, 3), (Op::Swap, 1)]);
    assert_eq!(world.store.writes(session), 2, "the rotation, and the late use");
}

#[tokio::test]
async fn a_page_is_sent_tokens_that_an_upgrade_at_the_same_time_is_not() {
    let world = World::new();
    let (mut browser, _) = expired_browser(&world, "alice").await;
    let old = browser.refresh().unwrap().to_owned();
    refresh(&world, &mut browser).await;
    world.clock.advance(DAMPING + MILLISECOND);
    world.store.hold(Op::Swap);
    let mut requests =
        ["/status/101", "/me", "/status/101"].map(|path| Box::pin(world.send(with_refresh(path, &old))));
    for request in &mut requests {
        assert!(poll_until_stuck(request).is_pending(), "it spends the budget");
    }
    world.store.let_through(Op::Swap);

    let [upgrade, page, other] = requests;
    assert!(carries_nothing(&upgrade.await) && carries_nothing(&other.await));
    let [access, sent] = tokens(&page.await);
    assert!(access.is_some());
    assert_eq!(sent.as_deref(), browser.refresh());
}
