//! The same for requests whose handlers have returned: what they share from then on is the commit.

use std::{cell::Cell, sync::Arc};

use bytes::Bytes;
use http::Response;
use tokio::sync::Semaphore;

use super::{InFlight, nothing_is_left, now, run};
use crate::support::{
    Browser, Op, World,
    browser::{REFRESH, generation, set_cookie},
    probe::{carries_nothing, expired_browser},
    schedule::{Choices, Task, for_every_schedule},
    store::Fault,
    world::routes,
};

/// How the requests have loaded their session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loads {
    Shared,
    OneEach,
}

/// Requests that have loaded their session, and whose handlers now return.
fn at_the_commit(world: &World, browser: &Browser, requests: usize, loads: Loads) -> Vec<InFlight> {
    let gate = Arc::new(Semaphore::new(0));
    let send = |_| {
        let (world, gate, request) = (world.clone(), gate.clone(), browser.request("/me"));
        let handler = move |request| {
            let gate = gate.clone();
            async move {
                // It is closed to open it.
                let _ = gate.acquire().await;
                routes(request).await
            }
        };
        Task::new(async move { world.send_to(handler, request).await })
    };
    let mut tasks: Vec<_> = (0..requests).map(send).collect();
    if loads == Loads::Shared {
        world.store.hold(Op::Load);
        tasks.iter_mut().for_each(Task::poll);
        world.store.let_through(Op::Load);
    }
    for task in &mut tasks {
        while task.is_woken() {
            task.poll();
        }
    }
    let expected = if loads == Loads::Shared { 1 } else { requests };
    assert_eq!(world.store.take_calls(), [(Op::Load, expected)], "{loads:?}");
    world.store.pause_in_calls();
    gate.close();
    tasks
}

fn answers(tasks: &[InFlight]) -> Vec<&Response<Bytes>> {
    let answers: Vec<_> = tasks.iter().filter_map(|task| task.output.as_ref()).collect();
    assert!(answers.iter().all(|response| response.body() == "alice"));
    answers
}

/// The refresh token of each response, which is the same one.
fn same_token(answers: &[&Response<Bytes>]) {
    let mut tokens: Vec<_> =
        answers.iter().map(|response| set_cookie(response, REFRESH).expect("it carries the token")).collect();
    tokens.dedup();
    assert!(tokens.len() <= 1, "{tokens:?}");
    assert!(tokens.iter().all(|token| generation(token) == 1));
}

fn every_order(requests: usize, drops: usize, loads: Loads) -> usize {
    let shared = Cell::new(false);
    let count = for_every_schedule(|choices| {
        let world = World::new();
        let (browser, session) = now(expired_browser(&world, "alice"));
        let mut tasks = at_the_commit(&world, &browser, requests, loads);

        run(&mut tasks, drops, choices, |_| {});

        let answers = answers(&tasks);
        same_token(&answers);
        let writes = world.store.writes(session);
        assert!(writes == 1 || writes == 0 && answers.is_empty(), "{writes} rotations");
        let dropped = requests - answers.len();
        let swaps = world.store.calls(Op::Swap);
        shared.set(shared.get() || swaps == 1 && answers.len() == requests);
        if loads == Loads::Shared {
            // A commit is repeated only if every request that shared it was dropped.
            assert!(swaps <= 1 + dropped, "{swaps} swaps with {dropped} dropped");
            assert!(dropped > 0 || world.store.calls(Op::Load) == 0, "the row is loaded again");
        }
        nothing_is_left(&world, &browser);
    });
    assert!(shared.into_inner());
    count
}

#[test]
fn two_commits_in_every_order_each_dropped_at_any_point_are_one_and_leave_no_request_waiting() {
    for loads in [Loads::Shared, Loads::OneEach] {
        let count = every_order(2, 2, loads);
        assert!(count > 50, "{count}");
        println!("{loads:?}: {count} orders");
    }
}

#[test]
#[ignore = "deep: a minute"]
fn three_commits_in_every_order_with_one_dropped_are_one() {
    for loads in [Loads::Shared, Loads::OneEach] {
        println!("{loads:?}: {} orders", every_order(3, 1, loads));
    }
}

/// The store fails the first swap, before or after its work.
fn every_order_of_a_failure(choices: &mut Choices, fault: Fault, loads: Loads, retried: &Cell<bool>) {
    let world = World::new();
    let (browser, session) = now(expired_browser(&world, "alice"));
    let mut tasks = at_the_commit(&world, &browser, 2, loads);
    world.store.break_op(Op::Swap, fault);
    let store = world.store.clone();

    run(&mut tasks, 1, choices, |_| {
        if store.calls(Op::Swap) > 0 {
            store.fix();
        }
    });

    let answers = answers(&tasks);
    let (without, with): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|response| carries_nothing(response));
    // It is a failure only of the request that started the commit.
    assert!(without.len() <= 1, "{fault:?}");
    same_token(&with);
    assert!(world.store.writes(session) <= 1, "{fault:?}");
    retried.set(retried.get() || (without.len(), with.len()) == (1, 1));
    world.store.fix();
    nothing_is_left(&world, &browser);
}

#[test]
fn a_failed_commit_is_one_requests_failure_and_its_followers_try_again() {
    for fault in [Fault::Fails, Fault::FailsAfterwards, Fault::Panics] {
        for loads in [Loads::Shared, Loads::OneEach] {
            let retried = Cell::new(false);
            let count =
                for_every_schedule(|choices| every_order_of_a_failure(choices, fault, loads, &retried));
            assert!(retried.get(), "{fault:?} {loads:?}");
            println!("{fault:?} {loads:?}: {count} orders");
        }
    }
}

/// The polls after which a request is dropped; more than it needs, and it is not.
const DROPS: usize = 7;

#[test]
fn of_three_commits_each_can_be_dropped_after_any_of_its_polls() {
    let mut left = 0;
    for loads in [Loads::Shared, Loads::OneEach] {
        for case in 0..DROPS.pow(3) {
            let drops = [case % DROPS, case / DROPS % DROPS, case / DROPS / DROPS];
            let world = World::new();
            let (browser, session) = now(expired_browser(&world, "alice"));
            let mut tasks = at_the_commit(&world, &browser, 3, loads);
            take_turns(&mut tasks, drops);
            let answers = answers(&tasks);
            same_token(&answers);
            let writes = world.store.writes(session);
            assert!(writes == 1 || writes == 0 && answers.is_empty(), "{loads:?} {drops:?}");
            left += answers.len();
            nothing_is_left(&world, &browser);
        }
    }
    assert!(left > 2 * DROPS.pow(2), "{left} requests were not dropped");
}

/// Each request is polled once when it is its turn and it was woken, and dropped after its polls.
fn take_turns(tasks: &mut [InFlight], drops: [usize; 3]) {
    let mut polls = [0; 3];
    while tasks.iter().any(Task::is_under_way) {
        let mut progress = false;
        for (index, task) in tasks.iter_mut().enumerate().filter(|(_, task)| task.is_under_way()) {
            if polls[index] == drops[index] {
                task.drop_future();
            } else if task.is_woken() {
                task.poll();
                polls[index] += 1;
            } else {
                continue;
            }
            progress = true;
        }
        assert!(progress, "{drops:?}: the rest are never woken");
    }
}
