//! The report that responses do not arrive: after the second lost one, and before the user is logged out.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tower_refresh::{RotationPolicy, event::EventKind};

use crate::support::{
    Browser, World,
    probe::{expired_browser, with_refresh},
    world::routes,
};

#[derive(Clone, Copy)]
enum Step {
    /// Nothing happens for this many seconds.
    Wait(u64),
    /// A request whose response does not arrive.
    Lost,
    /// A request whose response arrives.
    Received,
    /// Twenty requests at once, whose responses arrive.
    Page,
    /// A navigation that another site starts.
    Elsewhere,
    /// A request whose response is `101 Switching Protocols`.
    Upgrade,
}
use Step::{Elsewhere, Lost, Page, Received, Upgrade, Wait};

const HOUR: u64 = 60 * 60;
const LATE: Step = Wait(600);

/// Why, under which policy, what happens, and how many reports there are.
type Case = (&'static str, fn() -> RotationPolicy, &'static [Step], usize);

const CASES: [Case; 17] = [
    ("nothing is lost", RotationPolicy::balanced, &[Received, LATE, Received, LATE, Received], 0),
    ("one response", RotationPolicy::balanced, &[Lost, LATE, Received, LATE, Received], 0),
    (
        "one response, after which a page sends many requests",
        RotationPolicy::balanced,
        &[Lost, LATE, Page],
        0,
    ),
    (
        "many requests at once, all responses lost, as one",
        RotationPolicy::balanced,
        &[Lost, Lost, Lost, LATE, Page],
        0,
    ),
    ("two in a row", RotationPolicy::balanced, &[Lost, LATE, Lost, LATE, Received], 1),
    (
        "two in a row within the damping interval",
        RotationPolicy::balanced,
        &[Lost, Wait(31), Lost, Wait(31), Lost],
        1,
    ),
    (
        "two in a row, with half a day between them",
        RotationPolicy::balanced,
        &[Lost, LATE, Lost, Wait(13 * HOUR), Received],
        1,
    ),
    (
        "two within half a day, and others arrive",
        RotationPolicy::balanced,
        &[Lost, LATE, Received, LATE, Lost, LATE, Received],
        1,
    ),
    (
        "two with more than a day between them, and others arrive",
        RotationPolicy::balanced,
        &[Lost, LATE, Received, Wait(25 * HOUR), Lost, LATE, Received],
        0,
    ),
    ("upgrades, which carry nothing", RotationPolicy::balanced, &[Lost, LATE, Upgrade, LATE, Upgrade], 0),
    (
        "an upgrade, which spends like a lost one",
        RotationPolicy::balanced,
        &[Lost, LATE, Upgrade, LATE, Lost],
        1,
    ),
    (
        "navigations from elsewhere, which spend nothing",
        RotationPolicy::balanced,
        &[Lost, LATE, Elsewhere, Elsewhere, LATE, Elsewhere, Received],
        0,
    ),
    (
        "without a limit, two in a row",
        RotationPolicy::tolerant,
        &[Lost, LATE, Lost, LATE, Received, LATE, Received],
        1,
    ),
    (
        "without a limit, one",
        RotationPolicy::tolerant,
        &[Lost, LATE, Received, LATE, Lost, LATE, Received],
        0,
    ),
    ("without a budget one ends the session", RotationPolicy::strict, &[Lost, LATE, Lost, LATE, Lost], 0),
    (
        "a session near its absolute expiry",
        || policy_with(|policy| policy.absolute = policy.idle),
        &[Lost, LATE, Lost, LATE, Received],
        1,
    ),
    (
        "the same, one response",
        || policy_with(|policy| policy.absolute = policy.idle),
        &[Lost, LATE, Received, LATE, Received],
        0,
    ),
];

fn policy_with(change: impl FnOnce(&mut RotationPolicy)) -> RotationPolicy {
    let mut policy = RotationPolicy::balanced();
    change(&mut policy);
    policy
}

async fn take_step(world: &World, browser: &mut Browser, step: Step) {
    browser.drop_access();
    let request = browser.request("/me");
    match step {
        Wait(seconds) => world.clock.advance(Duration::from_secs(seconds)),
        Lost => drop(world.send(request).await),
        Received => drop(browser.get(world, "/me").await),
        Page => {
            let requests = (0..20).map(|_| world.send(browser.request("/me")));
            for response in futures_util::future::join_all(requests).await {
                browser.keep(response.headers());
            }
        }
        Elsewhere => {
            let mut request = request;
            for (name, value) in [
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            ] {
                request.headers_mut().insert(name, value.parse().unwrap());
            }
            drop(world.send(request).await);
        }
        Upgrade => {
            let switch = |request: Request<()>| async {
                let mut response: Response<Bytes> = routes(request).await;
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                response
            };
            drop(world.send_to(switch, request).await);
        }
    }
}

#[tokio::test]
async fn the_second_lost_response_of_a_session_is_reported() {
    for (case, policy, steps, expected) in CASES {
        let world = World::with(|builder| builder.policy(policy()));
        let (mut browser, session) = expired_browser(&world, "alice").await;
        for step in steps {
            take_step(&world, &mut browser, *step).await;
        }
        let events = world.events.lock().unwrap();
        let reports: Vec<_> = events.iter().filter(|event| event.kind == EventKind::ResponsesLost).collect();
        assert_eq!(reports.len(), expected, "{case}: {events:?}");
        assert!(reports.iter().all(|event| event.session == Some(session)), "{case}");
        assert!(reports.iter().all(|event| event.since_rotation > Some(Duration::from_secs(30))), "{case}");
    }
}

/// A server that renders pages, forwards `Cookie`, and drops `Set-Cookie`.
#[tokio::test]
async fn what_drops_every_cookie_is_reported_before_the_user_is_logged_out_and_not_again_and_again() {
    for seconds_between_pages in [31, 45, 61, 600, 6 * HOUR] {
        let world = World::new();
        let (browser, _) = expired_browser(&world, "alice").await;
        let refresh = browser.refresh().unwrap();
        let mut pages = 0;
        while world.send(with_refresh("/me", refresh)).await.status() == StatusCode::OK && pages < 100 {
            world.clock.advance(Duration::from_secs(seconds_between_pages));
            pages += 1;
        }
        for _ in 0..20 {
            world.send(with_refresh("/me", refresh)).await;
        }
        let kinds = world.take_events();
        let at = |kind| kinds.iter().position(|event| *event == kind);
        let case = format!("{seconds_between_pages} s: {kinds:?}");
        assert!(at(EventKind::ResponsesLost).is_some(), "{case}");
        assert!(at(EventKind::ResponsesLost) < at(EventKind::Spent) || pages == 100, "{case}");
        let reports = kinds.iter().filter(|kind| **kind == EventKind::ResponsesLost).count();
        let half_days = seconds_between_pages * pages / (12 * HOUR);
        assert!(reports as u64 <= 1 + half_days, "{case}");
    }
}
