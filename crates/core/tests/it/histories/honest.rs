//! An honest browser is never logged out.

use std::time::Duration;

use proptest::prelude::*;
use tower_refresh_core::{LateBudget, RotationPolicy, rotation::TokenClass};

use super::{
    config,
    world::{Fate, Happening, Kind, Request, Sender, World},
};

const HOUR: u64 = 60 * 60 * 1000;
const BURST: u32 = 2;

/// Any valid grace and damping, with a budget of [`BURST`] that does not refill within a history.
fn policies() -> impl Strategy<Value = RotationPolicy> {
    (1_000..60_000_u64, 0..60_000_u64).prop_map(|(grace, more)| {
        let mut policy = RotationPolicy::balanced();
        policy.grace = Duration::from_millis(grace);
        policy.damping = Duration::from_millis(grace + 15_000 + more);
        policy.late = LateBudget::limited(BURST, Duration::from_secs(300 * 24 * 60 * 60));
        policy.idle = Duration::from_secs(300 * 24 * 60 * 60);
        policy.absolute = Duration::from_secs(900 * 24 * 60 * 60);
        assert_eq!(policy.validate(), Ok(()));
        policy
    })
}

/// How long a token may be under way: both directions, the store and twice the difference of the clocks in total.
fn longest_transit(policy: &RotationPolicy) -> u64 {
    policy.grace.min(policy.damping - policy.grace).as_millis() as u64
}

/// Requests within the longest transit, in bursts, minutes and hours apart, with handlers that take up to
/// `slowest_handler`.
fn requests<F: Strategy<Value = Fate>>(
    policy: &RotationPolicy,
    transit: u64,
    slowest_handler: u64,
    kinds: Kinds,
    fates: F,
) -> impl Strategy<Value = Vec<Request>> + use<F> {
    let (grace, damping) = (policy.grace.as_millis() as u64, policy.damping.as_millis() as u64);
    let waits = prop_oneof![
        3 => 0..200_u64,
        2 => 0..grace * 2,
        2 => 0..damping * 2,
        1 => 0..12 * HOUR,
    ];
    let handlers = prop_oneof![3 => 0..=slowest_handler / 100, 1 => 0..=slowest_handler];
    let (way, store, skew) = (transit * 35 / 100, transit / 20, (transit / 40) as i64);
    let request = (waits, 0..=way, handlers, 0..=store, 0..=way, -skew..=skew, fates);
    let (at_the_bounds, otherwise) = (prop::bool::weighted(0.2), 0..10_usize);
    proptest::collection::vec((request, at_the_bounds, otherwise), 1..30).prop_map(move |requests| {
        let mut at = 0;
        requests
            .into_iter()
            .map(|((wait, way_there, handler, store, way_back, skew, fate), slowest, otherwise)| {
                at += wait;
                let slow = |time| if slowest { way } else { time };
                let (way_there, way_back) = (slow(way_there), slow(way_back));
                let kind = kinds.get(otherwise).copied().unwrap_or(Kind::Own);
                Request { at, from: Sender::Browser, kind, way_there, handler, store, way_back, skew, fate }
            })
            .collect()
    })
}

fn with_requests(
    kinds: Kinds,
    fates: impl Strategy<Value = Fate> + Clone,
) -> impl Strategy<Value = (RotationPolicy, Vec<Request>)> {
    policies().prop_flat_map(move |policy| {
        let (transit, handler) = (longest_transit(&policy), policy.grace.as_millis() as u64 * 10);
        (Just(policy.clone()), requests(&policy, transit, handler, kinds, fates.clone()))
    })
}

/// The kinds of requests other than the site's own.
type Kinds = &'static [Kind];
const NO_OTHERS: Kinds = &[];
const ALL: Kinds = &[Kind::Upgrade, Kind::Elsewhere];
const FROM_ELSEWHERE: Kinds = &[Kind::Elsewhere];

/// Requests that are completed within the grace.
fn with_quick_requests() -> impl Strategy<Value = (RotationPolicy, Vec<Request>)> {
    policies().prop_flat_map(|policy| {
        let half = longest_transit(&policy) / 2;
        (Just(policy.clone()), requests(&policy, half, half, NO_OTHERS, undisturbed()))
    })
}

/// Requests of which [`BURST`] responses are lost. They are quick, because slow requests that are late in parallel could
/// each spend the budget.
fn with_losses() -> impl Strategy<Value = (RotationPolicy, Vec<Request>)> {
    let lost = proptest::collection::vec(any::<prop::sample::Index>(), BURST as usize);
    (with_quick_requests(), lost).prop_map(|((policy, mut requests), lost)| {
        for index in lost {
            let index = index.index(requests.len());
            requests[index].fate = Fate::Lost;
        }
        (policy, requests)
    })
}

fn undisturbed() -> impl Strategy<Value = Fate> + Clone {
    prop_oneof![4 => Just(Fate::Delivered), 1 => Just(Fate::Aborted)]
}

/// One more undisturbed request must leave the browser with the current token.
fn assert_logged_in(world: &mut World, policy: &RotationPolicy) {
    let before = world.delivered;
    let at = world.elapsed() + policy.damping.as_millis() as u64;
    world.request(request(at, 0, 0, Fate::Delivered));
    world.run();
    assert!(world.classes.last().is_some_and(|class| class.is_accepted()), "the browser is logged in");
    assert_eq!(world.delivered, before + 1, "the response carries tokens");
    assert_eq!(world.jar, world.row.generation, "the browser has the current token");
    assert_eq!(world.row.ended, None, "the session is live");
}

fn request(at: u64, way_there: u64, way_back: u64, fate: Fate) -> Request {
    let (from, kind) = (Sender::Browser, Kind::Own);
    Request { at, from, kind, way_there, handler: 0, store: 0, way_back, skew: 0, fate }
}

/// The response of a rotation is lost, and another request receives the new token at the end of the grace. A third
/// request was sent just before that with the old token, and arrives after a fourth one with the new token.
#[test]
fn a_request_that_was_sent_before_a_repeated_token_arrived_is_authenticated() {
    let policy = RotationPolicy::balanced();
    let mut world = World::new(&policy);
    world.request(request(100_000, 0, 0, Fate::Lost));
    world.request(request(128_000, 2_000, 5_000, Fate::Delivered));
    world.request(request(134_900, 5_000, 0, Fate::Delivered));
    world.request(request(136_000, 0, 0, Fate::Delivered));
    world.run();
    assert_eq!(
        world.classes,
        [TokenClass::Current, TokenClass::Previous, TokenClass::Current, TokenClass::Overdue]
    );
    assert_logged_in(&mut world, &policy);
}

#[test]
fn a_laptop_that_slept_after_a_lost_response_is_accepted_twice() {
    let policy = RotationPolicy::balanced();
    let mut world = World::new(&policy);
    for hours in 1..=3 {
        world.request(request(hours * HOUR, 0, 0, Fate::Lost));
    }
    world.run();
    assert_eq!(world.classes, [TokenClass::Current, TokenClass::Late, TokenClass::Late]);
    assert_eq!((world.jar, world.row.generation), (0, 1));

    let row = world.row.clone();
    world.request(request(4 * HOUR, 0, 0, Fate::Delivered));
    world.run();
    assert_eq!(world.classes.last(), Some(&TokenClass::Spent), "the third time within 12 h");
    assert_eq!(world.row, row, "nothing changes");

    world.request(request(14 * HOUR, 0, 0, Fate::Delivered));
    world.run();
    assert_eq!(world.classes.last(), Some(&TokenClass::Late), "12 h after the first time");
    assert_eq!((world.jar, world.row.generation), (1, 1));
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn slow_handlers_parallel_requests_and_aborts_never_log_out(
        (policy, requests) in with_requests(ALL, undisturbed()),
    ) {
        let mut world = World::new(&policy);
        requests.into_iter().for_each(|request| world.request(request));
        world.run();
        for class in &world.classes {
            prop_assert!(matches!(class, TokenClass::Current | TokenClass::Previous), "{class:?} of an honest browser");
        }
        prop_assert_eq!(world.rejected_from_elsewhere, 0);
        assert_logged_in(&mut world, &policy);
    }

    #[test]
    fn as_many_lost_responses_as_the_budget_allows_never_log_out(
        (policy, requests) in with_losses(),
    ) {
        let mut world = World::new(&policy);
        requests.into_iter().for_each(|request| world.request(request));
        world.run();
        for class in &world.classes {
            prop_assert!(class.is_accepted() && *class != TokenClass::Ahead, "{class:?} of an honest browser");
        }
        assert_logged_in(&mut world, &policy);
    }

    #[test]
    fn any_number_of_lost_responses_is_forgiven_by_an_unbounded_budget(
        (mut policy, requests) in with_requests(ALL, prop_oneof![
            Just(Fate::Delivered), Just(Fate::Lost), Just(Fate::Aborted),
        ]),
    ) {
        policy.late = LateBudget::Unbounded;
        let mut world = World::new(&policy);
        requests.into_iter().for_each(|request| world.request(request));
        world.run();
        for class in &world.classes {
            prop_assert!(class.is_accepted() && *class != TokenClass::Ahead, "{class:?} of an honest browser");
        }
        assert_logged_in(&mut world, &policy);
    }

    #[test]
    fn any_number_of_lost_responses_never_ends_a_session(
        (policy, requests) in with_requests(ALL, prop_oneof![
            1 => Just(Fate::Delivered), 2 => Just(Fate::Lost), 1 => Just(Fate::Aborted),
        ]),
    ) {
        let mut world = World::new(&policy);
        requests.into_iter().for_each(|request| world.request(request));
        world.run();
        for class in &world.classes {
            let is_spent = *class == TokenClass::Spent;
            prop_assert!(class.is_accepted() && *class != TokenClass::Ahead || is_spent, "{class:?} of an honest browser");
        }
        prop_assert_eq!(world.row.ended, None);
    }

    #[test]
    fn a_failover_that_loses_the_last_write_never_logs_out(
        (policy, requests) in with_requests(FROM_ELSEWHERE, undisturbed()),
        at in any::<prop::sample::Index>(),
        later in 0..100_000_u64,
    ) {
        let mut world = World::new(&policy);
        let at = requests[at.index(requests.len())].at + later;
        world.happening(at, Happening::Failover);
        requests.into_iter().for_each(|request| world.request(request));
        world.run();
        for class in &world.classes {
            prop_assert!(class.is_accepted(), "{class:?} of an honest browser");
        }
        assert_logged_in(&mut world, &policy);
    }
}
