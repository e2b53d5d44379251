//! With any copies, logouts and losses, an ended session stays ended and no token is invented.

use std::time::Duration;

use proptest::prelude::*;
use tower_refresh_core::{EndReason, LateBudget, RotationPolicy, rotation::TokenClass};

use super::{
    config,
    world::{Fate, Happening, Kind, Request, Sender, World},
};

const MINUTE: u64 = 60 * 1000;

fn policies() -> impl Strategy<Value = RotationPolicy> {
    let budgets = prop_oneof![
        Just(LateBudget::Unbounded),
        (0..4_u32, 1..100_000_u64)
            .prop_map(|(burst, refill)| LateBudget::limited(burst, Duration::from_secs(refill))),
    ];
    (0..60_000_u64, 0..60_000_u64, budgets, any::<bool>(), 1..100_000_u64, 1..200_000_u64).prop_map(
        |(grace, more, late, end_when_spent, idle, absolute)| {
            let mut policy = RotationPolicy::balanced();
            policy.grace = Duration::from_millis(grace);
            policy.damping = Duration::from_millis(grace + 15_000 + more);
            (policy.late, policy.end_when_spent) = (late, end_when_spent);
            policy.idle = Duration::from_secs(idle);
            policy.absolute = Duration::from_secs(absolute);
            assert_eq!(policy.validate(), Ok(()));
            policy
        },
    )
}

fn requests() -> impl Strategy<Value = Vec<Request>> {
    let senders = prop_oneof![
        4 => Just(Sender::Browser),
        3 => (0..4_u32).prop_map(|behind| Sender::Thief { behind }),
        1 => (1..4_u32).prop_map(|ahead| Sender::Prophet { ahead }),
    ];
    let fates = prop_oneof![3 => Just(Fate::Delivered), 1 => Just(Fate::Lost), 1 => Just(Fate::Aborted)];
    let waits = prop_oneof![3 => 0..200_u64, 2 => 0..2 * MINUTE, 1 => 0..60 * MINUTE];
    let kinds = prop_oneof![4 => Just(Kind::Own), 1 => Just(Kind::Upgrade), 1 => Just(Kind::Elsewhere)];
    let senders = (senders, kinds);
    let request = (waits, senders, 0..10_000_u64, 0..5 * MINUTE, 0..2_000_u64, 0..5_000_u64, fates);
    proptest::collection::vec(request, 1..40).prop_map(|requests| {
        let mut at = 0;
        requests
            .into_iter()
            .map(|(wait, (from, kind), way_there, handler, store, way_back, fate)| {
                at += wait;
                Request { at, from, kind, way_there, handler, store, way_back, skew: 0, fate }
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_invariants_are_kept_among_thieves_and_logouts(
        policy in policies(),
        requests in requests(),
        end in prop::option::of(any::<prop::sample::Index>()),
        later in 0..MINUTE,
    ) {
        let mut world = World::new(&policy);
        if let Some(end) = end {
            let at = requests[end.index(requests.len())].at + later;
            world.happening(at, Happening::End(EndReason::Logout));
        }
        requests.into_iter().for_each(|request| world.request(request));
        world.run();

        if let Some(ended) = world.row.ended {
            let at = world.elapsed() + MINUTE;
            for from in [Sender::Browser, Sender::Thief { behind: 0 }, Sender::Thief { behind: 1 }] {
                let (kind, fate) = (Kind::Own, Fate::Delivered);
                world.request(Request { at, from, kind, way_there: 0, handler: 0, store: 0, way_back: 0, skew: 0, fate });
            }
            let (generation, delivered) = (world.row.generation, world.delivered);
            world.run();
            prop_assert_eq!(world.row.ended, Some(ended), "the session end does not change");
            prop_assert_eq!(world.row.generation, generation, "an ended session does not rotate");
            prop_assert_eq!(world.delivered, delivered, "an ended session sends nothing");
            prop_assert!(matches!(world.classes.last(), Some(TokenClass::Ended)), "an ended session is ended");
        }
    }
}
