//! Two and three requests with one refresh token, in every order of their steps, each of them dropped between any two.
//!
//! The steps are those between two awaits: each call of the store has one before its work and one after it. Nothing is
//! polled that was not woken, so a request that is never woken is found.

mod commits;

use std::cell::Cell;

use bytes::Bytes;
use http::{Request, Response};
use tower_refresh::{SessionHandle, event::EventKind};

use crate::support::{
    Browser, Op, World,
    browser::{REFRESH, generation, set_cookie},
    probe::{expired_browser, session_of, with_bearer},
    schedule::{Choices, Task, for_every_schedule},
    store::Fault,
};

type InFlight = Task<Response<Bytes>>;

/// A browser whose access token has expired, and a store whose calls can be interrupted.
fn world() -> (World, Browser, SessionHandle) {
    let world = World::new();
    let (browser, session) = now(expired_browser(&world, "alice"));
    world.store.pause_in_calls();
    (world, browser, session)
}

/// The output of a future that is ready at once.
fn now<F: Future>(future: F) -> F::Output {
    futures_util::FutureExt::now_or_never(future).unwrap()
}

fn send(world: &World, request: Request<()>) -> InFlight {
    let world = world.clone();
    Task::new(async move { world.send(request).await })
}

/// Polls and drops the tasks in an order of `choices` until none is left; at most `drops` are dropped. Each task that is
/// not dropped finishes.
fn run(tasks: &mut [InFlight], mut drops: usize, choices: &mut Choices, mut after: impl FnMut(&[InFlight])) {
    loop {
        let woken: Vec<_> = (0..tasks.len()).filter(|index| tasks[*index].is_woken()).collect();
        let under_way: Vec<_> = (0..tasks.len()).filter(|index| tasks[*index].is_under_way()).collect();
        if under_way.is_empty() {
            return;
        }
        assert!(!woken.is_empty(), "{under_way:?} are never woken");
        let droppable = if drops > 0 { under_way.len() } else { 0 };
        let chosen = choices.choose(woken.len() + droppable);
        if let Some(index) = woken.get(chosen) {
            tasks[*index].poll();
        } else {
            tasks[under_way[chosen - woken.len()]].drop_future();
            drops -= 1;
        }
        after(tasks);
    }
}

/// No shared load or commit is left over, and the next request makes its own load.
fn nothing_is_left(world: &World, browser: &Browser) {
    let shown = format!("{:?}", world.auth);
    assert_eq!(
        shown.matches("SingleFlight { in_progress: 0,").count(),
        4,
        "loads, commits, upgrades and claims: {shown}"
    );
    let before = world.store.calls(Op::Load);
    let mut next = send(world, browser.request("/me"));
    next.poll();
    assert_eq!(world.store.calls(Op::Load), before + 1, "it joined an earlier load");
    while next.is_under_way() {
        assert!(next.is_woken(), "it is never woken");
        next.poll();
    }
    assert_eq!(next.output.unwrap().body(), "alice");
}

fn every_order(requests: usize, drops: usize) -> usize {
    for_every_schedule(|choices| {
        let (world, browser, session) = world();
        let mut tasks: Vec<_> = (0..requests).map(|_| send(&world, browser.request("/me"))).collect();

        run(&mut tasks, drops, choices, |_| {});

        for response in tasks.iter().filter_map(|task| task.output.as_ref()) {
            assert_eq!(response.body(), "alice");
            assert_eq!(set_cookie(response, REFRESH).map(|token| generation(&token)), Some(1));
        }
        let row = now(world.store.row(session)).unwrap();
        assert!(row.ended.is_none() && row.generation <= 1);
        assert!(tasks.iter().all(|task| task.output.is_none()) || row.generation == 1);
        assert!(!world.take_events().contains(&EventKind::Reuse));
        nothing_is_left(&world, &browser);
    })
}

#[test]
fn two_requests_in_every_order_each_dropped_at_any_point_leave_no_request_waiting() {
    let count = every_order(2, 2);
    assert!(count > 400, "{count}");
    println!("{count} orders");
}

/// The store fails the first `failures` loads.
fn every_order_of_failures(requests: usize, failures: usize, drops: usize) -> usize {
    let retried = Cell::new(false);
    let count = for_every_schedule(|choices| {
        let (world, browser, _) = world();
        let before = world.store.calls(Op::Load);
        world.store.break_op(Op::Load, Fault::Fails);
        let mut tasks: Vec<_> = (0..requests).map(|_| send(&world, browser.request("/me"))).collect();

        let store = world.store.clone();
        run(&mut tasks, drops, choices, |_| {
            if store.calls(Op::Load) - before >= failures {
                store.fix();
            }
        });

        let loads = world.store.calls(Op::Load) - before;
        let rejected = tasks.iter().filter_map(|task| task.output.as_ref()).filter(|one| one.status() == 503);
        let (rejected, answered) =
            (rejected.count(), tasks.iter().filter(|task| task.output.is_some()).count());
        // A failed load is a failure only for the request that started it: those that joined it have tried again.
        assert!(rejected <= failures, "{rejected} of {answered} were rejected for {failures} failures");
        retried.set(retried.get() || loads > failures && rejected == failures && answered == requests);
        world.store.fix();
        nothing_is_left(&world, &browser);
    });
    assert!(retried.into_inner());
    count
}

#[test]
fn a_failed_load_is_one_requests_failure_and_its_followers_try_again() {
    println!("{} orders", every_order_of_failures(2, 1, 1));
}

#[test]
#[ignore = "deep: a minute"]
fn a_failed_load_of_three_requests_is_one_requests_failure() {
    println!("{} orders", every_order_of_failures(3, 1, 0));
}

/// Ends the session at any point of the requests, and sends requests again after the end was acknowledged.
fn every_order_of_a_session_end(requests: usize, drops: usize) -> usize {
    for_every_schedule(|choices| {
        let world = World::new();
        let browser = now(Browser::logged_in(&world, "alice"));
        let (session, access) = (session_of(&browser), browser.access().unwrap().to_owned());
        let mut without_access = browser.clone();
        without_access.drop_access();
        // In the cache, so that only the denylist rejects it.
        assert_eq!(now(world.send(with_bearer("/me", &access))).body(), "alice");
        world.store.pause_in_calls();
        world.users.pause_in_loads();
        let mut tasks: Vec<_> = (0..requests).map(|_| send(&world, without_access.request("/me"))).collect();
        let auth = world.auth.clone();
        tasks.push(Task::new(async move {
            assert!(auth.end_session(session).await.unwrap());
            Response::new(Bytes::from_static(b"ended"))
        }));
        let mut later: Option<InFlight> = None;
        let mut too_late = Vec::new();

        run(&mut tasks, drops, choices, |tasks| {
            if later.is_none() && tasks[requests].output.is_some() {
                let rejected = now(world.send(with_bearer("/me", &access)));
                assert_eq!(rejected.status(), 401, "an access token of an ended session is accepted");
                let mut request = send(&world, without_access.request("/me"));
                request.poll();
                later = Some(request);
                too_late = (0..requests).filter(|index| tasks[*index].is_under_way()).collect();
            }
        });

        if let Some(mut later) = later {
            while later.is_under_way() {
                assert!(later.is_woken(), "it is never woken");
                later.poll();
            }
            let response = later.output.unwrap();
            assert_eq!(response.status(), 401, "a refresh token of an ended session is accepted");
            assert_eq!(set_cookie(&response, REFRESH), None);
        }
        for (index, task) in tasks.iter().enumerate() {
            let Some(response) = &task.output else { continue };
            assert!([200, 401].contains(&response.status().as_u16()));
            let carries = response.headers().contains_key("set-cookie");
            assert!(!(carries && too_late.contains(&index)), "a token of an ended session goes out");
        }
    })
}

#[test]
fn after_a_session_end_in_any_order_no_later_request_is_authenticated() {
    println!("{} orders", every_order_of_a_session_end(1, 1));
}
