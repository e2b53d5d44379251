//! The role is taken away at any point of one or two requests, in every order of their steps.

use bytes::Bytes;
use futures_util::FutureExt;
use http::Response;

use super::{log_in_as_administrator, new_access, says, scope_of, show_scope};
use crate::support::{
    World,
    browser::{REFRESH, generation, set_cookie},
    probe::{ACCESS_LIFETIME, session_of, with_bearer},
    schedule::{Choices, Task, for_every_schedule},
};

type InFlight = Task<Response<Bytes>>;

fn now<F: Future>(future: F) -> F::Output {
    future.now_or_never().unwrap()
}

fn send(world: &World, request: http::Request<()>) -> InFlight {
    let world = world.clone();
    Task::new(async move { world.send_to(show_scope, request).await })
}

fn run(tasks: &mut [InFlight], choices: &mut Choices, mut after: impl FnMut(&[InFlight])) {
    loop {
        let woken: Vec<_> = (0..tasks.len()).filter(|index| tasks[*index].is_woken()).collect();
        if woken.is_empty() {
            assert!(tasks.iter().all(|task| !task.is_under_way()), "some are never woken");
            return;
        }
        tasks[woken[choices.choose(woken.len())]].poll();
        after(tasks);
    }
}

fn finish(mut task: InFlight) -> Response<Bytes> {
    while task.is_under_way() {
        assert!(task.is_woken(), "it is never woken");
        task.poll();
    }
    task.output.unwrap()
}

fn every_order(requests: usize) -> usize {
    for_every_schedule(|choices| {
        let world = World::new();
        let browser = now(log_in_as_administrator(&world));
        let (session, access) = (session_of(&browser), browser.access().unwrap().to_owned());
        // It is due to rotate, and the former access token is valid and in the cache.
        world.clock.advance(ACCESS_LIFETIME / 2);
        assert_eq!(now(scope_of(&world, with_bearer("/me", &access))).body(), "user admin");
        let mut without_access = browser.clone();
        without_access.drop_access();
        world.store.pause_in_calls();
        world.users.pause_in_loads();
        let mut tasks: Vec<_> = (0..requests).map(|_| send(&world, without_access.request("/me"))).collect();
        let (auth, users) = (world.auth.clone(), world.users.clone());
        tasks.push(Task::new(async move {
            users.set("alice", "Alice", "user");
            assert_eq!(auth.reload_claims("alice").await.unwrap(), 1);
            Response::new(Bytes::from_static(b"reloaded"))
        }));
        let mut later: Option<InFlight> = None;
        let mut too_late = Vec::new();

        run(&mut tasks, choices, |tasks| {
            if later.is_none() && tasks[requests].output.is_some() {
                let bearer = now(scope_of(&world, with_bearer("/me", &access)));
                assert_eq!(bearer.status(), 401, "an outdated access token is accepted");
                let mut request = send(&world, browser.request("/me"));
                request.poll();
                later = Some(request);
                too_late = (0..requests).filter(|index| tasks[*index].is_under_way()).collect();
            }
        });

        let later = finish(later.unwrap());
        assert_eq!(later.body(), "user", "a request after the change has the former role");
        for (index, response) in
            tasks[..requests].iter().map(|task| task.output.as_ref().unwrap()).enumerate()
        {
            assert!([b"user".as_slice(), b"user admin"].contains(&response.body().as_ref()), "{response:?}");
            let access = new_access(response.headers());
            if too_late.contains(&index) {
                let (scope, epoch) = says(&access.expect("an access token goes out"));
                assert_eq!((scope.as_str(), epoch), ("user", 1), "the former role goes out after the change");
            }
            assert_eq!(generation(&set_cookie(response, REFRESH).unwrap()), 1);
        }
        assert_eq!(says(&new_access(later.headers()).unwrap()), ("user".to_owned(), 1));
        let row = now(world.store.row(session)).unwrap();
        assert_eq!((row.generation, row.ended, row.claims_epoch), (1, None, 1));
        assert_eq!(row.late_budget.as_millis(), 0);
    })
}

#[test]
fn after_the_change_in_any_order_no_later_request_has_the_former_role() {
    let count = every_order(1);
    assert!(count > 50, "{count}");
    println!("{count} orders");
}

#[test]
#[ignore = "deep: some minutes"]
fn after_the_change_in_any_order_no_later_request_of_three_has_the_former_role() {
    println!("{} orders", every_order(2));
}
