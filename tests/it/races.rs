//! Logouts and logins that race refreshes, in every order of their steps.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::Poll,
};

use bytes::Bytes;
use http::{Request, Response};
use tower_refresh::{SessionHandle, event::EndReason};

use crate::support::{
    Browser, Op, World,
    browser::{ACCESS, REFRESH, set_cookie},
    probe::{DAMPING, MILLISECOND, carries_nothing, poll_once, session_of, with_bearer, with_refresh},
};

type Racer = Pin<Box<dyn Future<Output = Response<Bytes>>>>;

/// A world whose store pauses in each call, and a browser whose session is about to rotate.
///
/// Without a runtime, so that ending a session is part of its request, and the schedule alone decides.
struct Race {
    world: World,
    browser: Browser,
    session: SessionHandle,
}

impl Race {
    fn new() -> Self {
        let world = World::new();
        let browser = block_on(Browser::logged_in(&world, "alice"));
        let session = session_of(&browser);
        world.clock.advance(DAMPING + MILLISECOND);
        world.store.pause_in_calls();
        world.take_events();
        Self { world, browser, session }
    }

    fn racer(&self, request: Request<()>) -> Racer {
        let world = self.world.clone();
        Box::pin(async move {
            let handler = |request| async {
                tokio::task::yield_now().await;
                crate::support::world::routes(request).await
            };
            world.send_to(handler, request).await
        })
    }

    /// A refresh with the refresh cookie alone.
    fn refresh(&self) -> Racer {
        self.racer(with_refresh("/me", self.browser.refresh().unwrap()))
    }

    fn send(&self, request: Request<()>) -> Response<Bytes> {
        block_on(self.world.send(request))
    }

    fn end_reason(&self) -> Option<EndReason> {
        Some(block_on(self.world.store.row(self.session)).unwrap().ended?.reason)
    }

    /// Captured tokens of the session are invalid on this server.
    fn assert_dead(&self, responses: &[Response<Bytes>], schedule: &[usize]) {
        let sent = |name| responses.iter().filter_map(move |response| set_cookie(response, name));
        for access in sent(ACCESS).chain(self.browser.access().map(str::to_owned)) {
            if crate::support::mint::session(&access) == self.session {
                let response = self.send(with_bearer("/me", &access));
                assert_eq!(response.status(), 401, "{schedule:?}");
                let cookie = format!("{ACCESS}={access}");
                let response = self.send(crate::support::request("/optional", &[("cookie", &cookie)]));
                assert_eq!(response.body(), "-", "{schedule:?}");
            }
        }
        for refresh in sent(REFRESH).chain(self.browser.refresh().map(str::to_owned)) {
            let response = self.send(with_refresh("/optional", &refresh));
            let lives = response.body() != "-";
            assert!(!lives || self.is_of_another_session(&response), "{schedule:?}");
        }
    }

    fn is_of_another_session(&self, response: &Response<Bytes>) -> bool {
        let access = set_cookie(response, ACCESS);
        access.is_some_and(|access| crate::support::mint::session(&access) != self.session)
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = Box::pin(future);
    for _ in 0..1000 {
        if let Poll::Ready(output) = poll_once(&mut future) {
            return output;
        }
    }
    panic!("no task is ready");
}

/// Runs the racers in the order that `choose` picks among those that still run, by their number. Returns the
/// responses, and the numbers in the order of their polls.
fn play(
    mut racers: Vec<Racer>,
    mut choose: impl FnMut(usize) -> usize,
) -> (Vec<Response<Bytes>>, Vec<usize>) {
    let mut responses: Vec<_> = racers.iter().map(|_| None).collect();
    let mut schedule = Vec::new();
    loop {
        let running: Vec<_> = (0..racers.len()).filter(|racer| responses[*racer].is_none()).collect();
        if running.is_empty() {
            return (responses.into_iter().flatten().collect(), schedule);
        }
        let racer = running[choose(running.len())];
        schedule.push(racer);
        assert!(schedule.len() < 1000, "it never ends");
        if let Poll::Ready(response) = poll_once(&mut racers[racer]) {
            responses[racer] = Some(response);
        }
    }
}

/// Runs a race in every possible order, and returns the number of orders.
fn in_every_order(
    race: impl Fn() -> (Race, Vec<Racer>),
    check: impl Fn(&Race, &[Response<Bytes>], &[usize]),
) -> usize {
    // The choices of the next run, each with the number of its alternatives.
    let mut prefix: Vec<(usize, usize)> = Vec::new();
    for orders in 1.. {
        let (race, racers) = race();
        let mut made = Vec::new();
        let (responses, schedule) = play(racers, |choices| {
            let choice = prefix.get(made.len()).map_or(0, |(choice, _)| *choice);
            made.push((choice, choices));
            choice
        });
        check(&race, &responses, &schedule);
        while made.pop_if(|(choice, choices)| *choice + 1 == *choices).is_some() {}
        match made.last_mut() {
            Some((choice, _)) => *choice += 1,
            None => return orders,
        }
        prefix = made;
    }
    unreachable!()
}

/// Runs a race in `orders` orders, which are the same in each test run.
fn in_many_orders(
    orders: u64,
    race: impl Fn() -> (Race, Vec<Racer>),
    check: impl Fn(&Race, &[Response<Bytes>], &[usize]),
) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..orders {
        let (race, racers) = race();
        let (responses, schedule) = play(racers, |choices| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % choices
        });
        check(&race, &responses, &schedule);
    }
}

#[test]
fn a_logout_wins_over_a_refresh_in_every_order() {
    let (refreshed, not_refreshed) = (Mutex::new(0), Mutex::new(0));
    let orders = in_every_order(
        || {
            let race = Race::new();
            let racers = vec![race.refresh(), race.racer(race.browser.request("/logout"))];
            (race, racers)
        },
        |race, responses, schedule| {
            let [refresh, logout] = responses else { panic!() };
            assert_eq!(logout.status(), 200, "{schedule:?}");
            assert!(set_cookie(logout, REFRESH).is_none() && set_cookie(logout, ACCESS).is_none());
            assert_eq!(logout.headers().get_all("set-cookie").iter().count(), 2, "{schedule:?}");
            assert_eq!(race.end_reason(), Some(EndReason::Logout), "{schedule:?}");
            // A response after the acknowledged end carries no token, although its request swapped before.
            let last = |racer| schedule.iter().rposition(|polled| *polled == racer);
            assert!(last(0) < last(1) || carries_nothing(refresh), "{schedule:?}");
            let count = if carries_nothing(refresh) { &not_refreshed } else { &refreshed };
            *count.lock().unwrap() += 1;
            race.assert_dead(responses, schedule);
        },
    );
    // Neither of them always came first.
    assert!(orders > 100, "{orders}");
    assert!(*refreshed.lock().unwrap() > 10 && *not_refreshed.lock().unwrap() > 10);
}

#[test]
fn a_logout_without_an_access_token_wins_over_a_refresh_in_every_order() {
    in_every_order(
        || {
            let race = Race::new();
            let logout = race.racer(with_refresh("/logout", race.browser.refresh().unwrap()));
            let racers = vec![race.refresh(), logout];
            (race, racers)
        },
        |race, responses, schedule| {
            assert_eq!(responses[1].headers().get_all("set-cookie").iter().count(), 2, "{schedule:?}");
            assert_eq!(race.end_reason(), Some(EndReason::Logout), "{schedule:?}");
            race.assert_dead(responses, schedule);
        },
    );
}

#[test]
fn a_logout_wins_over_several_refreshes_in_many_orders() {
    in_many_orders(
        400,
        || {
            let race = Race::new();
            let everywhere = race.racer(race.browser.request("/logout-everywhere"));
            let racers = vec![race.refresh(), everywhere, race.refresh(), race.refresh()];
            (race, racers)
        },
        |race, responses, schedule| {
            assert_eq!(responses[1].status(), 200);
            assert_eq!(race.end_reason(), Some(EndReason::Logout), "{schedule:?}");
            race.assert_dead(responses, schedule);
        },
    );
}

#[test]
fn ending_a_session_from_outside_wins_over_refreshes_in_many_orders() {
    in_many_orders(
        300,
        || {
            let race = Race::new();
            let (auth, session) = (race.world.auth.clone(), race.session);
            let end = async move {
                assert!(auth.end_session(session).await.unwrap());
                Response::new(Bytes::new())
            };
            let racers: Vec<Racer> = vec![race.refresh(), Box::pin(end), race.refresh()];
            (race, racers)
        },
        |race, responses, schedule| {
            assert_eq!(race.end_reason(), Some(EndReason::Revoked), "{schedule:?}");
            race.assert_dead(responses, schedule);
        },
    );
}

#[test]
fn a_login_wins_over_a_refresh_of_the_old_session_in_every_order() {
    let orders = in_every_order(
        || {
            let race = Race::new();
            let racers = vec![race.refresh(), race.racer(race.browser.request("/login/bob"))];
            (race, racers)
        },
        |race, responses, schedule| {
            let login = &responses[1];
            assert_eq!(login.status(), 200, "{schedule:?}");
            assert_eq!(race.end_reason(), Some(EndReason::Superseded), "{schedule:?}");
            race.assert_dead(responses, schedule);
            let mut browser = race.browser.clone();
            browser.keep(login.headers());
            assert_eq!(race.send(browser.request("/me")).body(), "bob");
            browser.drop_access();
            assert_eq!(race.send(browser.request("/me")).body(), "bob");
        },
    );
    assert!(orders > 100, "{orders}");
}

#[test]
fn refreshes_by_different_servers_end_up_with_one_token_in_every_order() {
    let orders = in_every_order(
        || {
            let race = Race::new();
            let clock = race.world.clock.clone();
            let other = World::on(clock, race.world.store.clone(), |builder| builder);
            let request = with_refresh("/me", race.browser.refresh().unwrap());
            let racers: Vec<Racer> = vec![race.refresh(), Box::pin(async move { other.send(request).await })];
            (race, racers)
        },
        |race, responses, schedule| {
            let tokens: Vec<_> = responses.iter().map(|response| set_cookie(response, REFRESH)).collect();
            assert!(tokens[0].is_some() && tokens[0] == tokens[1], "{schedule:?}");
            let row = block_on(race.world.store.row(race.session)).unwrap();
            assert_eq!((row.generation, race.world.store.writes(race.session)), (1, 1), "{schedule:?}");
        },
    );
    assert!(orders > 50, "{orders}");
}

#[test]
fn a_thief_and_a_browser_that_race_get_the_same_token_or_the_session_ends() {
    in_many_orders(
        300,
        || {
            let race = Race::new();
            // The browser rotated twice since the token was copied, and rotates again.
            let copied = race.browser.refresh().unwrap().to_owned();
            let mut browser = race.browser.clone();
            for _ in 0..2 {
                browser.drop_access();
                browser.keep(race.send(browser.request("/me")).headers());
                race.world.clock.advance(DAMPING + MILLISECOND);
            }
            browser.drop_access();
            let racers = vec![race.racer(browser.request("/me")), race.racer(with_refresh("/me", &copied))];
            (race, racers)
        },
        |race, responses, schedule| {
            assert_eq!(responses[1].status(), 401, "{schedule:?}");
            assert!(carries_nothing(&responses[1]));
            assert_eq!(race.end_reason(), Some(EndReason::Reuse), "{schedule:?}");
            race.assert_dead(responses, schedule);
        },
    );
}

/// The same on several threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_logout_wins_over_fifty_refreshes_on_several_threads() {
    for _ in 0..20 {
        let world = World::new();
        let browser = Browser::logged_in(&world, "alice").await;
        world.clock.advance(DAMPING + MILLISECOND);
        let responses = Arc::<Mutex<Vec<_>>>::default();
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..51 {
            let request = match number {
                25 => browser.request("/logout"),
                _ => with_refresh("/optional", browser.refresh().unwrap()),
            };
            let (world, responses) = (world.clone(), responses.clone());
            tasks.spawn(async move {
                let response = world.send(request).await;
                assert_eq!(response.status(), 200);
                responses.lock().unwrap().push(response);
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        let responses = std::mem::take(&mut *responses.lock().unwrap());
        for response in responses {
            if let Some(access) = set_cookie(&response, ACCESS) {
                assert_eq!(world.send(with_bearer("/me", &access)).await.status(), 401);
            }
            if let Some(refresh) = set_cookie(&response, REFRESH) {
                assert_eq!(world.send(with_refresh("/me", &refresh)).await.status(), 401);
            }
        }
        assert_eq!(world.store.calls(Op::End), 1);
    }
}
