//! The report that one refresh token was sent to two clients within the grace period.

use std::time::Duration;

use futures_util::future::join_all;
use http::{HeaderMap, Request};
use tower_refresh::event::{ClientDifference, Event, EventKind};

use crate::support::{
    Browser, Op, World,
    probe::{ACCESS_LIFETIME, GRACE, expired_browser, poll_until_stuck, with_refresh},
};

/// An address and a user agent, where they are sent.
type Client = (Option<&'static str>, Option<&'static str>);

const HERE: Client = (Some("192.0.2.7"), Some("a browser"));
const NOW: Duration = Duration::ZERO;
const LATER: Duration = Duration::from_secs(31);

const CASES: [(&str, Client, Client, Duration, Option<ClientDifference>); 13] = [
    ("the same client", HERE, HERE, NOW, None),
    ("another browser", HERE, (HERE.0, Some("another")), NOW, Some(ClientDifference::UserAgent)),
    ("another address", HERE, (Some("192.0.2.8"), HERE.1), NOW, Some(ClientDifference::Ip)),
    ("both", HERE, (Some("192.0.2.8"), Some("another")), NOW, Some(ClientDifference::Both)),
    ("both, at the end of the grace period", HERE, (Some("::1"), None), GRACE, Some(ClientDifference::Both)),
    ("both, after the grace period", HERE, (Some("192.0.2.8"), Some("another")), LATER, None),
    ("a program that sends no user agent", HERE, (HERE.0, None), NOW, Some(ClientDifference::UserAgent)),
    (
        "an address of the same IPv6 network",
        (Some("2001:db8::1"), None),
        (Some("2001:db8::2:0:0:1"), None),
        NOW,
        None,
    ),
    (
        "another IPv6 network",
        (Some("2001:db8::1"), None),
        (Some("2001:db8:0:1::1"), None),
        NOW,
        Some(ClientDifference::Ip),
    ),
    ("the same address, mapped to IPv6", HERE, (Some("::ffff:192.0.2.7"), HERE.1), NOW, None),
    ("an address that is unknown", HERE, (None, HERE.1), NOW, None),
    ("an address that was unknown", (None, HERE.1), HERE, NOW, None),
    ("nothing is known", (None, None), (None, None), NOW, None),
];

fn world() -> World {
    let ip = |headers: &HeaderMap| headers.get("x-client-ip")?.to_str().ok()?.parse().ok();
    World::with(|builder| builder.client_ip(move |headers, _| ip(headers)))
}

fn from((ip, agent): Client, refresh: &str) -> Request<()> {
    let mut request = with_refresh("/me", refresh);
    for (name, value) in [("x-client-ip", ip), ("user-agent", agent)] {
        if let Some(value) = value {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
    }
    request
}

fn reported(world: &World) -> Vec<Event> {
    let events = world.events.lock().unwrap().drain(..).collect::<Vec<_>>().into_iter();
    events.filter(|event| matches!(event.kind, EventKind::Redelivered(_))).collect()
}

#[tokio::test]
async fn a_token_that_two_different_clients_receive_within_the_grace_period_is_reported_once() {
    for (case, first, second, after, expected) in CASES {
        let world = world();
        let (browser, session) = expired_browser(&world, "alice").await;
        let refresh = browser.refresh().unwrap();
        world.send(from(first, refresh)).await;
        assert_eq!(reported(&world).len(), 0, "{case}: a rotation");
        world.clock.advance(after);
        for _ in 0..3 {
            assert_eq!(world.send(from(second, refresh)).await.body(), "alice", "{case}");
        }
        let reported = reported(&world);
        let kinds: Vec<_> = reported.iter().map(|event| event.kind).collect();
        assert_eq!(kinds, Vec::from_iter(expected.map(EventKind::Redelivered)), "{case}");
        assert!(reported.iter().all(|event| event.session == Some(session)), "{case}");
        assert!(reported.iter().all(|event| event.user_agent.as_deref() == second.1), "{case}");
        assert!(reported.iter().all(|event| event.since_rotation == Some(after)), "{case}");
    }
}

#[tokio::test]
async fn each_rotation_is_judged_by_itself() {
    let world = world();
    let (mut browser, _) = expired_browser(&world, "alice").await;
    for (rotation, thief, expected) in [(1, HERE, 0), (2, (None, None), 1), (3, (None, None), 1)] {
        let refresh = browser.refresh().unwrap().to_owned();
        browser.keep(world.send(from(HERE, &refresh)).await.headers());
        world.send(from(thief, &refresh)).await;
        assert_eq!(reported(&world).len(), expected, "rotation {rotation}");
        world.clock.advance(ACCESS_LIFETIME);
    }
    // A browser that was updated between two rotations.
    let refresh = browser.refresh().unwrap().to_owned();
    world.send(from((HERE.0, Some("a newer browser")), &refresh)).await;
    assert_eq!(reported(&world).len(), 0);
}

#[tokio::test]
async fn clients_that_share_a_commit_are_compared() {
    for clients in [[HERE, HERE], [HERE, (HERE.0, Some("another"))]] {
        let world = world();
        let (browser, _) = expired_browser(&world, "alice").await;
        let refresh = browser.refresh().unwrap();
        world.store.hold(Op::Swap);
        let mut requests = clients.map(|client| Box::pin(world.send(from(client, refresh))));
        assert!(requests.iter_mut().all(|request| poll_until_stuck(request).is_pending()));
        world.store.let_through(Op::Swap);
        join_all(requests).await;
        assert_eq!(world.store.calls(Op::Swap), 1);
        assert_eq!(reported(&world).len(), usize::from(clients[0] != clients[1]));
    }
}

#[tokio::test]
async fn a_client_that_receives_no_refresh_token_is_not_compared() {
    let world = world();
    let browser = Browser::logged_in(&world, "alice").await;
    // Within the damping interval the session does not rotate.
    for agent in ["one", "another"] {
        world.send(from((HERE.0, Some(agent)), browser.refresh().unwrap())).await;
    }
    assert_eq!(reported(&world).len(), 0);
}
