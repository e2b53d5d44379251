//! The address and the user agent in events, and the session and the subject of failures.

use std::{collections::BTreeSet, time::Duration};

use http::{HeaderMap, HeaderValue, Request};
use tower_refresh::{
    SessionHandle, Subject,
    event::{Event, EventKind},
};
use tower_refresh_core::SessionRow;

use crate::support::{
    Browser, Op, World,
    mint::forged_access,
    probe::{
        ACCESS_LIFETIME, DAMPING, alter_row, expired_browser, poll_until_stuck, session_of, with_refresh,
    },
    request,
    store::Fault,
    world::routes,
};

const AGENT: &str = "an agent";
const IP: &str = "192.0.2.7";

/// A server whose clients state their address.
fn world() -> World {
    let ip = |headers: &HeaderMap| headers.get("x-client-ip")?.to_str().ok()?.parse().ok();
    World::with(|builder| builder.client_ip(move |headers, _| ip(headers)))
}

/// The request with an address and this user agent.
fn from(mut request: Request<()>, agent: &[u8]) -> Request<()> {
    request.headers_mut().insert("x-client-ip", HeaderValue::from_static(IP));
    request.headers_mut().insert("user-agent", HeaderValue::from_bytes(agent).unwrap());
    request
}

fn take(world: &World) -> Vec<Event> {
    world.events.lock().unwrap().drain(..).collect()
}

/// What is presented, after these changes to the world and to the row.
struct Case {
    reason: &'static str,
    kinds: &'static [&'static str],
    row: fn(&mut SessionRow),
    request: fn(&World, &Browser) -> Request<()>,
}

const fn case(
    reason: &'static str,
    kinds: &'static [&'static str],
    row: fn(&mut SessionRow),
    request: fn(&World, &Browser) -> Request<()>,
) -> Case {
    Case { reason, kinds, row, request }
}

fn unchanged(_: &mut SessionRow) {}

fn me(_: &World, browser: &Browser) -> Request<()> {
    with_refresh("/me", browser.refresh().unwrap())
}

fn late(row: &mut SessionRow) {
    row.generation += 1;
    row.confirmed = false;
}

const CASES: [Case; 23] = [
    case("a login", &["login"], unchanged, |_, _| request("/login/alice", &[])),
    case("a login that replaces a session", &["end", "login"], unchanged, |_, browser| {
        with_refresh("/login/alice", browser.refresh().unwrap())
    }),
    case("a refresh", &["refresh"], unchanged, me),
    case("a refresh on demand", &["refresh"], unchanged, |_, browser| {
        with_refresh("/refresh", browser.refresh().unwrap())
    }),
    case("a lost response", &["late", "refresh"], late, me),
    case(
        "lost responses",
        &["late", "refresh", "responses_lost"],
        |row| {
            late(row);
            row.late_budget = row.rotated_at.saturating_add(Duration::from_secs(60 * 60));
        },
        me,
    ),
    case(
        "a spent budget",
        &["spent"],
        |row| {
            late(row);
            row.late_budget = row.absolute_expiry;
        },
        me,
    ),
    case("reuse", &["end", "reuse"], |row| row.generation = 2, me),
    case("a malformed refresh token", &["rejected"], unchanged, |_, _| with_refresh("/public", "x")),
    case("a forged access token", &["rejected"], unchanged, |_, browser| {
        let forged = format!("Bearer {}", forged_access(browser.access().unwrap()));
        request("/public", &[("authorization", &forged)])
    }),
    case("cookies from another site", &["rejected"], unchanged, |_, browser| {
        request("/public", &[("cookie", &browser.cookie_header()), ("origin", "https://evil.example")])
    }),
    case("a login by another site", &["rejected"], unchanged, |_, _| {
        request("/login/alice", &[("origin", "https://evil.example")])
    }),
    case("a logout", &["end"], unchanged, |_, browser| {
        // An access token that has expired, as the session is loaded otherwise.
        let bearer = format!("Bearer {}", browser.access().unwrap());
        request("/logout", &[("authorization", &bearer)])
    }),
    case("a logout everywhere", &["end", "refresh"], unchanged, |_, browser| {
        with_refresh("/logout-others", browser.refresh().unwrap())
    }),
    case("a user who is gone", &["end"], unchanged, |world, browser| {
        world.users.remove("alice");
        me(world, browser)
    }),
    case("a navigation from elsewhere of a user who is gone", &["disabled"], unchanged, |world, browser| {
        world.users.remove("alice");
        let mut request = me(world, browser);
        for (name, value) in
            [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]
        {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        request
    }),
    case("the claims source fails", &["claims_failed"], unchanged, |world, browser| {
        world.users.break_loads(Some(Fault::Fails));
        me(world, browser)
    }),
    case("the claims source fails at a login", &["claims_failed"], unchanged, |world, _| {
        world.users.break_loads(Some(Fault::Fails));
        request("/login/alice", &[])
    }),
    case("the store fails to load", &["store_failed"], unchanged, |world, browser| {
        world.store.break_op(Op::Load, Fault::Fails);
        me(world, browser)
    }),
    case("the store fails to swap", &["store_failed"], unchanged, |world, browser| {
        world.store.break_op(Op::Swap, Fault::Fails);
        me(world, browser)
    }),
    case("the store fails to create", &["store_failed"], unchanged, |world, _| {
        world.store.break_op(Op::Create, Fault::Fails);
        request("/login/alice", &[])
    }),
    case(
        "the store fails to end",
        &["reuse", "store_failed"],
        |row| row.generation = 2,
        |world, browser| {
            world.store.break_op(Op::End, Fault::Fails);
            me(world, browser)
        },
    ),
    case("the scope of a login is malformed", &["invalid_claims"], unchanged, |world, _| {
        world.users.set("alice", "Alice", "\"");
        request("/login/alice", &[])
    }),
];

#[tokio::test]
async fn every_event_of_a_request_has_its_client() {
    for Case { reason, kinds, row, request } in CASES {
        let world = world();
        let (browser, session) = expired_browser(&world, "alice").await;
        Browser::logged_in(&world, "alice").await;
        alter_row(&world, session, row).await;
        take(&world);

        world.send(from(request(&world, &browser), AGENT.as_bytes())).await;

        let events = take(&world);
        let raised: BTreeSet<_> = events.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!(raised, kinds.iter().copied().collect(), "{reason}: {events:?}");
        for event in events {
            assert_eq!(event.ip, Some(IP.parse().unwrap()), "{reason}: {event:?}");
            assert_eq!(event.user_agent.as_deref(), Some(AGENT), "{reason}: {event:?}");
        }
    }
}

#[tokio::test]
async fn what_the_application_itself_does_has_no_client() {
    let world = world();
    let browser = Browser::logged_in(&world, "alice").await;
    take(&world);
    world.auth.end_session(session_of(&browser)).await.unwrap();
    world.store.break_op(Op::List, Fault::Fails);
    world.auth.sessions("alice", None).await.unwrap_err();
    let events = take(&world);
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| event.ip.is_none() && event.user_agent.is_none()), "{events:?}");
}

#[tokio::test]
async fn user_agents_are_cut_and_have_no_control_characters() {
    let cases: [(&[u8], &str, &str); 5] = [
        (b"Mozilla/5.0 (X11)", "Mozilla/5.0 (X11)", "as it is"),
        (&[b'x'; 257], &"x".repeat(256), "cut"),
        (b"a\tb", "ab", "a tab is the only control character that a header can have"),
        (b"\xff", "\u{fffd}", "not UTF-8"),
        (b"", "", "empty"),
    ];
    for (sent, shown, reason) in cases {
        let world = world();
        world.send(from(request("/login/alice", &[]), sent)).await;
        assert_eq!(take(&world)[0].user_agent.as_deref(), Some(shown), "{reason}");
    }
    let world = world();
    world.send(request("/login/alice", &[])).await;
    assert_eq!(take(&world)[0].user_agent, None, "without the header");
    let mut request = from(request("/login/alice", &[]), b"the first");
    request.headers_mut().append("user-agent", HeaderValue::from_static("another"));
    world.send(request).await;
    assert_eq!(take(&world)[0].user_agent.as_deref(), Some("the first"), "of several headers");
}

#[tokio::test]
async fn requests_that_share_a_load_report_the_first_client_and_each_its_own_refresh() {
    let world = world();
    let (browser, session) = expired_browser(&world, "alice").await;
    alter_row(&world, session, late).await;
    take(&world);
    world.store.hold(Op::Load);
    let send = |agent: &'static str| Box::pin(world.send(from(me(&world, &browser), agent.as_bytes())));
    let (mut first, mut second) = (send("first"), send("second"));
    assert!(poll_until_stuck(&mut first).is_pending() && poll_until_stuck(&mut second).is_pending());
    world.store.let_through(Op::Load);
    futures_util::future::join(first, second).await;

    let events = take(&world);
    let of = |kind: &str| -> Vec<_> {
        let events = events.iter().filter(|event| event.kind.as_str() == kind);
        events.map(|event| event.user_agent.as_deref().unwrap()).collect()
    };
    assert_eq!(of("late"), ["first"]);
    assert_eq!(of("refresh"), ["first", "second"]);
}

#[tokio::test]
async fn a_failure_of_the_store_names_the_session_and_the_subject_that_are_known() {
    type Known = (Option<SessionHandle>, Option<Subject>);
    let failures = |world: &World| -> Vec<Known> {
        let events = take(world).into_iter().filter(|event| event.kind == EventKind::StoreFailed);
        events.map(|event| (event.session, event.subject)).collect()
    };
    let alice = || Some(Subject::new("alice"));
    let cases: [(&str, Op, bool, bool); 7] = [
        ("/logout", Op::End, true, true),
        ("/login/bob", Op::End, true, true),
        ("/logout-others", Op::EndSubject, false, true),
        ("/logout-everywhere", Op::EndSubject, false, true),
        ("/me", Op::Swap, true, true),
        // The token has no subject, and the row was not read.
        ("/me", Op::Load, true, false),
        ("/refresh", Op::Swap, true, true),
    ];
    for (path, op, has_session, has_subject) in cases {
        let world = world();
        let browser = Browser::logged_in(&world, "alice").await;
        let session = session_of(&browser);
        if path == "/me" || path == "/refresh" {
            world.clock.advance(ACCESS_LIFETIME);
        }
        world.store.break_op(op, Fault::Fails);
        world.send(browser.request(path)).await;
        let expected = (Some(session).filter(|_| has_session), alice().filter(|_| has_subject));
        assert_eq!(failures(&world).first(), Some(&expected), "{path}, {op:?}");
    }
    // A commit that loads the row again knows the subject from the first time.
    let world = world();
    let (browser, session) = expired_browser(&world, "alice").await;
    let handler = |request: Request<()>| {
        world.store.break_op(Op::Load, Fault::Fails);
        world.clock.advance(DAMPING);
        routes(request)
    };
    alter_row(&world, session, late).await;
    alter_row(&world, session, |row| row.rotated_at = row.rotated_at.saturating_add(ACCESS_LIFETIME)).await;
    world.send_to(handler, me(&world, &browser)).await;
    assert_eq!(failures(&world), [(Some(session), alice())]);
}
