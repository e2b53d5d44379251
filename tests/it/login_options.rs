//! What a login chooses for its session: cookies that end with the browser, lifetimes of its own, and the user's other sessions.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tower_refresh::{
    ConfigError, InvalidLoginOptionsReason, KeyRing, LoginOptions, Rejection, RejectionKind, RotationPolicy,
    Session, SessionHandle,
    event::{EndReason, EventKind, Misconfiguration},
    store::{SessionRow, SessionStore},
};

use crate::support::{
    Browser, Claims, ManualClock, Op, TestStore, World,
    browser::{ACCESS, REFRESH, generation, set_cookie, set_cookies},
    probe::{
        ACCESS_LIFETIME, DAMPING, DAY, GRACE, MILLISECOND, carries_nothing, expiry, refresh, session_of,
    },
    request,
    store::Fault,
    world::routes,
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

async fn log_in(
    world: &World,
    browser: &mut Browser,
    subject: &'static str,
    options: LoginOptions,
) -> Response<Bytes> {
    let login = move |request: Request<()>| {
        let options = options.clone();
        async move {
            let (request, ()) = request.into_parts();
            let session = Session::<Claims>::from_extensions(&request.extensions).unwrap();
            match session.login_with(subject, options).await {
                Ok(_) => Response::new(Bytes::new()),
                Err(rejection) => rejection.to_response(&request),
            }
        }
    };
    let response = world.send_to(login, browser.request("/login")).await;
    browser.keep(response.headers());
    response
}

/// A native client's login. The body is its refresh token.
pub(crate) async fn log_in_native(
    world: &World,
    subject: &'static str,
    options: LoginOptions,
) -> Response<Bytes> {
    let login = move |request: Request<()>| {
        let options = options.clone();
        async move {
            let (request, ()) = request.into_parts();
            let session = Session::<Claims>::from_extensions(&request.extensions).unwrap();
            match session.login_native_with(subject, options).await {
                Ok(tokens) => Response::new(tokens.refresh_token().unwrap().to_owned().into()),
                Err(rejection) => rejection.to_response(&request),
            }
        }
    };
    world.send_to(login, request("/login", &[])).await
}

pub(crate) async fn logged_in(
    world: &World,
    subject: &'static str,
    options: LoginOptions,
) -> (Browser, SessionHandle) {
    let mut browser = Browser::new();
    let response = log_in(world, &mut browser, subject, options).await;
    assert_eq!(response.status(), 200, "{response:?}");
    let session = session_of(&browser);
    (browser, session)
}

/// For each cookie that a response sets: its name, and whether it has a `Max-Age`. None has `Expires`.
fn lasting(response: &Response<Bytes>) -> Vec<(String, bool)> {
    let cookies = response.headers().get_all("set-cookie").iter();
    let cookies = cookies.map(|header| cookie::Cookie::parse(header.to_str().unwrap().to_owned()).unwrap());
    cookies
        .map(|cookie| {
            assert!(cookie.expires().is_none(), "{cookie}");
            (cookie.name().to_owned(), cookie.max_age().is_some())
        })
        .collect()
}

async fn end_reason(world: &World, session: SessionHandle) -> Option<EndReason> {
    Some(world.store.row(session).await.unwrap().ended?.reason)
}

#[tokio::test]
async fn cookies_have_a_max_age_at_the_login_and_at_each_refresh_only_if_the_user_is_to_be_remembered() {
    for remember in [true, false] {
        let both = [ACCESS, REFRESH].map(|name| (name.to_owned(), remember));
        let world = World::new();
        let mut browser = Browser::new();
        let options = LoginOptions::new().remember(remember);
        let login = log_in(&world, &mut browser, "alice", options).await;
        assert_eq!(lasting(&login), both);
        let session = session_of(&browser);
        assert_eq!(world.store.row(session).await.unwrap().persistent, remember);

        // r3 and r4.
        let tab = browser.clone();
        assert_eq!(lasting(&refresh(&world, &mut browser).await), both, "a rotation");
        let mut tab = tab.clone();
        tab.drop_access();
        assert_eq!(lasting(&tab.get(&world, "/me").await), both, "a redelivery");
        // r2: the access token alone.
        browser.drop_access();
        assert_eq!(lasting(&browser.get(&world, "/me").await), both[..1], "within the damping interval");
        // Ahead of its expiry.
        world.clock.set(expiry(browser.access().unwrap()).saturating_sub(30 * SECOND));
        assert_eq!(lasting(&browser.get(&world, "/me").await), both, "ahead");
        // r5.
        let mut late = browser.clone();
        world.clock.advance(ACCESS_LIFETIME);
        world.send(browser.request("/me")).await;
        world.clock.advance(ACCESS_LIFETIME);
        assert_eq!(lasting(&late.get(&world, "/me").await), both, "a lost response");
        world.clock.advance(DAMPING + MILLISECOND);
        assert_eq!(lasting(&late.get(&world, "/refresh").await), both, "on demand");

        // The removal has one, or it would not be a removal.
        let logout = late.get(&world, "/logout").await;
        assert_eq!(set_cookies(logout.headers()).len(), 2);
        assert!(set_cookies(logout.headers()).iter().all(|(_, value)| value.is_none()), "{logout:?}");
    }
}

#[tokio::test]
async fn a_session_that_ends_with_the_browser_expires_all_the_same() {
    for (unused, status) in [(7 * DAY - MILLISECOND, 200), (7 * DAY, 401)] {
        let world = World::new();
        let (mut browser, _) = logged_in(&world, "alice", LoginOptions::new().remember(false)).await;
        world.clock.advance(unused);
        assert_eq!(browser.get(&world, "/me").await.status(), status);
    }
}

#[tokio::test]
async fn a_login_keeps_its_own_lifetimes_whatever_the_policy_of_the_server_that_refreshes_it() {
    /// The options, the times between uses, and after which time the session is over.
    type Case = (&'static str, LoginOptions, Duration, Duration);
    let cases: [Case; 6] = [
        ("as the policy", LoginOptions::new(), 6 * DAY, 30 * DAY),
        ("a longer idle time, cut to the absolute", LoginOptions::new().idle(90 * DAY), 10 * DAY, 30 * DAY),
        ("longer", LoginOptions::new().idle(90 * DAY).absolute(365 * DAY), 89 * DAY, 365 * DAY),
        ("the longest", LoginOptions::new().idle(Duration::MAX).absolute(400 * DAY), 399 * DAY, 400 * DAY),
        ("a shorter absolute time", LoginOptions::new().absolute(DAY), HOUR, DAY),
        ("shorter", LoginOptions::new().idle(HOUR).absolute(3 * HOUR), HOUR - SECOND, 3 * HOUR),
    ];
    for (name, options, between, over) in cases {
        let (clock, store) = (ManualClock::new(), TestStore::default());
        let here = World::on(clock.clone(), store.clone(), |builder| builder);
        let mut policy = RotationPolicy::strict();
        (policy.idle, policy.absolute) = (2 * HOUR, 5 * HOUR);
        let elsewhere = World::on(clock.clone(), store.clone(), |builder| builder.policy(policy));
        // Same keys: a secret of the tests for access tokens, and for refresh tokens one that is derived from it.
        let (mut browser, session) = logged_in(&here, "alice", options).await;
        let login = tower_refresh::Clock::now(&clock);
        let absolute = store.row(session).await.unwrap().absolute_expiry;
        assert_eq!(absolute.saturating_since(login).as_secs(), over.as_secs(), "{name}");
        let mut uses = 0;
        while tower_refresh::Clock::now(&clock).saturating_add(between) < absolute {
            clock.advance(between);
            browser.drop_access();
            let world = if uses % 2 == 0 { &elsewhere } else { &here };
            let response = browser.get(world, "/me").await;
            assert_eq!(response.status(), 200, "{name}, {uses}");
            uses += 1;
            let row = store.row(session).await.unwrap();
            assert_eq!((row.generation, row.absolute_expiry), (uses, absolute), "{name}");
            let left = row.expires_at().saturating_since(tower_refresh::Clock::now(&clock)).as_secs();
            assert_eq!(crate::support::probe::max_age(&response, REFRESH), Some(left), "{name}");
            assert!(crate::support::probe::max_age(&response, ACCESS).unwrap() <= left, "{name}");
            assert!(expiry(browser.access().unwrap()) <= absolute, "{name}");
        }
        assert!(uses > 0, "{name}");
        clock.set(absolute);
        browser.drop_access();
        assert_eq!(browser.get(&here, "/me").await.status(), 401, "{name}");
    }
}

#[tokio::test]
async fn a_login_with_an_own_idle_time_expires_when_it_is_not_used_for_that_long() {
    for (idle, unused, status) in [
        (HOUR, HOUR - MILLISECOND, 200),
        (HOUR, HOUR, 401),
        (20 * DAY, 20 * DAY - MILLISECOND, 200),
        (20 * DAY, 20 * DAY, 401),
        (SECOND, SECOND - MILLISECOND, 200),
        (SECOND, SECOND, 401),
        // Rounded down to milliseconds.
        (SECOND + Duration::from_nanos(999_999), SECOND - MILLISECOND, 200),
        (SECOND + Duration::from_nanos(999_999), SECOND, 401),
    ] {
        let world = World::new();
        let (mut browser, _) = logged_in(&world, "alice", LoginOptions::new().idle(idle)).await;
        if idle > DAMPING {
            refresh(&world, &mut browser).await;
        }
        world.clock.advance(unused);
        assert_eq!(browser.get(&world, "/me").await.status(), status, "{idle:?}");
    }
}

#[tokio::test]
async fn options_that_are_invalid_start_no_session_and_leave_the_former_one() {
    use InvalidLoginOptionsReason::{AbsoluteTooLong, AbsoluteTooShort, IdleTooShort};
    let new = LoginOptions::new;
    let ten_years = 3660 * DAY;
    let cases = [
        (new().idle(Duration::ZERO), Some(IdleTooShort), Some(IdleTooShort)),
        (new().idle(SECOND - MILLISECOND), Some(IdleTooShort), Some(IdleTooShort)),
        (new().idle(SECOND), None, None),
        (new().idle(Duration::MAX), None, None),
        (new().absolute(Duration::ZERO), Some(AbsoluteTooShort), Some(AbsoluteTooShort)),
        (new().absolute(SECOND - MILLISECOND), Some(AbsoluteTooShort), Some(AbsoluteTooShort)),
        (new().absolute(SECOND), None, None),
        (new().absolute(400 * DAY), None, None),
        (new().absolute(400 * DAY + MILLISECOND), Some(AbsoluteTooLong), None),
        (new().absolute(ten_years), Some(AbsoluteTooLong), None),
        (new().absolute(ten_years + MILLISECOND), Some(AbsoluteTooLong), Some(AbsoluteTooLong)),
        (new().absolute(Duration::MAX), Some(AbsoluteTooLong), Some(AbsoluteTooLong)),
        (new().idle(Duration::ZERO).remember(false), Some(IdleTooShort), Some(IdleTooShort)),
    ];
    for (options, in_cookie, native) in cases {
        for (expected, is_native) in [(in_cookie, false), (native, true)] {
            let world = World::new();
            let mut browser = Browser::logged_in(&world, "alice").await;
            let former = session_of(&browser);
            let loads = world.users.loads();
            world.take_events();
            world.store.take_calls();

            let response = if is_native {
                log_in_native(&world, "alice", options.clone()).await
            } else {
                log_in(&world, &mut browser, "alice", options.clone()).await
            };

            let context = format!("{options:?}, native: {is_native}, {response:?}");
            let Some(reason) = expected else {
                assert_eq!(response.status(), 200, "{context}");
                continue;
            };
            let kind = response.extensions().get::<Rejection>().unwrap().kind().clone();
            let found = match kind {
                RejectionKind::InvalidLoginOptions { reason, .. } => reason,
                kind => panic!("{kind:?}, {context}"),
            };
            assert_eq!((response.status(), found), (StatusCode::INTERNAL_SERVER_ERROR, reason), "{context}");
            assert!(std::str::from_utf8(response.body()).unwrap().contains(&reason.to_string()), "{context}");
            assert!(carries_nothing(&response), "{context}");
            assert_eq!(world.store.take_calls(), [], "{context}");
            assert_eq!(world.users.loads(), loads, "{context}");
            let mistake = EventKind::Misconfigured(Misconfiguration::InvalidLoginOptions);
            assert_eq!(world.take_events(), [mistake], "{context}");
            assert_eq!(session_of(&browser), former);
            assert_eq!(browser.get(&world, "/me").await.body(), "alice");
        }
    }
}

#[tokio::test]
async fn a_native_login_has_its_own_lifetimes_too() {
    let world = World::new();
    let options = LoginOptions::new().idle(100 * DAY).absolute(1000 * DAY).remember(false);
    let login = log_in_native(&world, "alice", options).await;
    assert_eq!(login.status(), 200);
    assert!(!login.headers().contains_key("set-cookie"));
    let mut token = std::str::from_utf8(login.body()).unwrap().to_owned();
    for _ in 0..10 {
        world.clock.advance(99 * DAY);
        let tokens = world.auth.refresh_native(&token).await.unwrap();
        token = tokens.refresh_token().unwrap().to_owned();
    }
    world.clock.advance(10 * DAY);
    assert!(world.auth.refresh_native(&token).await.is_err());
}

#[tokio::test]
async fn a_login_that_ends_the_others_ends_every_other_session_of_the_user_and_no_one_elses() {
    let world = World::new();
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(logged_in(&world, "alice", LoginOptions::new()).await);
        world.clock.advance(SECOND);
    }
    let (mut bob, _) = logged_in(&world, "bob", LoginOptions::new()).await;
    let (mut browser, former) = logged_in(&world, "alice", LoginOptions::new()).await;
    world.clock.advance(SECOND);
    world.take_events();

    let login = log_in(&world, &mut browser, "alice", LoginOptions::new().end_others()).await;

    assert_eq!(login.status(), 200);
    for (other, session) in &mut others {
        assert_eq!(end_reason(&world, *session).await, Some(EndReason::Displaced));
        assert_eq!(other.get(&world, "/optional").await.body(), "-");
    }
    assert_eq!(end_reason(&world, former).await, Some(EndReason::Superseded));
    let mut expected = vec![EventKind::End(EndReason::Displaced); 3];
    expected.extend([EventKind::End(EndReason::Superseded), EventKind::Login]);
    assert_eq!(world.take_events(), expected);
    assert_eq!(browser.get(&world, "/me").await.body(), "alice");
    assert_eq!(bob.get(&world, "/me").await.body(), "bob");
}

#[tokio::test]
async fn a_login_beyond_the_limit_ends_the_sessions_that_were_used_least_recently() {
    for limit in 1..=5 {
        let world = World::with(|builder| builder.max_sessions(limit));
        // Their last uses are in another order than their logins.
        let mut sessions = Vec::new();
        for number in 0..limit {
            sessions.push(logged_in(&world, "alice", LoginOptions::new()).await);
            world.clock.advance(SECOND);
            assert_eq!(sessions.len(), number + 1);
        }
        for (browser, _) in sessions.iter_mut().rev() {
            refresh(&world, browser).await;
        }
        sessions.reverse();
        for round in 0..limit {
            world.take_events();
            let (mut new, session) = logged_in(&world, "alice", LoginOptions::new()).await;
            assert_eq!(
                world.take_events(),
                [EventKind::End(EndReason::Displaced), EventKind::Login],
                "{limit}"
            );
            let (oldest, _) = (&sessions[0], ());
            assert_eq!(end_reason(&world, oldest.1).await, Some(EndReason::Displaced), "{limit}, {round}");
            sessions.remove(0);
            refresh(&world, &mut new).await;
            sessions.push((new, session));
            let live = world.auth.sessions("alice", None).await.unwrap();
            assert_eq!(live.len(), limit, "{limit}, {round}");
        }
        let (mut other, _) = logged_in(&world, "bob", LoginOptions::new()).await;
        assert_eq!(other.get(&world, "/me").await.body(), "bob");
    }
}

#[tokio::test]
async fn sessions_that_are_replaced_or_expired_do_not_count_and_native_ones_do() {
    let world = World::with(|builder| builder.max_sessions(2));
    let (mut browser, _) = logged_in(&world, "alice", LoginOptions::new()).await;
    let (mut other, kept) = logged_in(&world, "alice", LoginOptions::new()).await;
    for _ in 0..5 {
        world.clock.advance(SECOND);
        assert_eq!(log_in(&world, &mut browser, "alice", LoginOptions::new()).await.status(), 200);
        assert_eq!(end_reason(&world, kept).await, None);
    }
    assert_eq!(other.get(&world, "/me").await.body(), "alice");
    world.clock.advance(SECOND);
    // The other one was used least recently.
    assert_eq!(log_in_native(&world, "alice", LoginOptions::new()).await.status(), 200);
    assert_eq!(end_reason(&world, kept).await, Some(EndReason::Displaced));
    assert_eq!(browser.get(&world, "/me").await.body(), "alice");
    world.clock.advance(SECOND);
    assert_eq!(log_in_native(&world, "alice", LoginOptions::new()).await.status(), 200);
    assert_eq!(end_reason(&world, session_of(&browser)).await, Some(EndReason::Displaced));
    world.clock.advance(7 * DAY);
    world.take_events();
    logged_in(&world, "alice", LoginOptions::new()).await;
    assert_eq!(world.take_events(), [EventKind::Login], "both have expired");
}

#[tokio::test]
async fn a_login_that_cannot_end_the_sessions_beyond_the_limit_fails_and_leaves_the_former_session() {
    for (op, limited) in [(Op::List, true), (Op::End, true), (Op::List, false), (Op::End, false)] {
        let world = World::with(|builder| if limited { builder.max_sessions(2) } else { builder });
        let (mut first, _) = logged_in(&world, "alice", LoginOptions::new()).await;
        let (mut second, _) = logged_in(&world, "alice", LoginOptions::new()).await;
        let (mut browser, _) = logged_in(&world, "bob", LoginOptions::new()).await;
        world.take_events();
        world.store.break_op(op, Fault::Fails);
        let options = if limited { LoginOptions::new() } else { LoginOptions::new().end_others() };

        let response = log_in(&world, &mut browser, "alice", options).await;

        assert_eq!(response.status(), 503, "{op:?}");
        assert!(response.headers().contains_key("retry-after"));
        assert!(carries_nothing(&response), "{op:?}");
        assert!(!world.take_events().contains(&EventKind::Login));
        world.store.fix();
        assert_eq!(browser.get(&world, "/me").await.body(), "bob");
        assert_eq!(first.get(&world, "/me").await.body(), "alice");
        assert_eq!(second.get(&world, "/me").await.body(), "alice");
    }
}

#[tokio::test]
async fn of_logins_at_the_same_time_at_least_the_last_one_stays() {
    for held in [Op::Create, Op::List, Op::End] {
        let world = World::with(|builder| builder.max_sessions(1));
        world.store.hold(held);
        let (mut one, mut two) = (Browser::new(), Browser::new());
        let logins = async {
            tokio::join!(
                log_in(&world, &mut one, "alice", LoginOptions::new()),
                log_in(&world, &mut two, "alice", LoginOptions::new().end_others()),
                async {
                    tokio::task::yield_now().await;
                    world.store.let_through(held);
                },
            )
        };
        let (first, second, ()) = logins.await;
        assert_eq!((first.status(), second.status()), (StatusCode::OK, StatusCode::OK), "{held:?}");
        let live = world.auth.sessions("alice", None).await.unwrap();
        assert!((1..=2).contains(&live.len()), "{held:?}: {}", live.len());
        // One that was displaced before its response gets no tokens.
        let mut in_hand =
            [&one, &two].into_iter().filter(|browser| browser.access().is_some()).map(session_of);
        let stays = |session| live.iter().any(|live| live.handle() == session);
        assert!(in_hand.any(stays), "{held:?}");
        // The next one restores the limit.
        world.clock.advance(SECOND);
        logged_in(&world, "alice", LoginOptions::new()).await;
        assert_eq!(world.auth.sessions("alice", None).await.unwrap().len(), 1);
    }
}

/// As many live sessions of alice, the first ones used last.
async fn with_sessions(world: &World, count: u32) {
    let now = tower_refresh::Clock::now(&world.clock);
    for number in 0..count {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        let created_at = now.saturating_sub(MILLISECOND * (count - number));
        let handle = SessionHandle::from_bytes(bytes);
        let mut row = SessionRow::new(
            handle,
            "alice".into(),
            created_at,
            now.saturating_add(DAY),
            now.saturating_add(MONTH),
        );
        row.rotated_at = now.saturating_sub(SECOND * number);
        world.store.inner.create(&row).await.unwrap();
    }
}

#[tokio::test]
async fn a_login_of_a_user_with_20_000_sessions_takes_few_calls_of_the_store() {
    let world = World::with(|builder| builder.max_sessions(5));
    with_sessions(&world, 20_000).await;
    world.store.take_calls();

    logged_in(&world, "alice", LoginOptions::new()).await;

    let calls = world.store.take_calls();
    let count = |op| calls.iter().find(|(called, _)| *called == op).map_or(0, |(_, count)| *count);
    assert_eq!((count(Op::Create), count(Op::List), count(Op::End)), (1, 11, 1000), "{calls:?}");
}

#[tokio::test]
async fn pages_of_sessions_leave_those_that_were_used_most_recently() {
    for (sessions, limit) in [(99, 3), (100, 3), (101, 3), (350, 120), (350, 349), (350, 351), (350, 1)] {
        let world = World::with(|builder| builder.max_sessions(limit));
        with_sessions(&world, sessions).await;

        let (_, new) = logged_in(&world, "alice", LoginOptions::new()).await;

        let mut live = Vec::new();
        let mut after = None;
        loop {
            let page = world.auth.sessions("alice", after).await.unwrap();
            live.extend(page.iter().map(tower_refresh::SessionInfo::handle));
            after = page.next();
            if after.is_none() {
                break;
            }
        }
        assert_eq!(live.len(), limit.min(sessions as usize + 1), "{sessions} {limit}");
        assert_eq!(live.remove(0), new);
        // Those with the lowest numbers were used last.
        let numbers =
            live.iter().map(|handle| u32::from_be_bytes(handle.as_bytes()[..4].try_into().unwrap()));
        assert!(numbers.clone().all(|number| (number as usize) < limit), "{sessions} {limit}");
    }
}

#[test]
fn a_limit_of_no_sessions_is_an_error() {
    let result = tower_refresh::Auth::<()>::builder(KeyRing::hs256(crate::support::world::SECRET).unwrap())
        .issuer("https://api.example.com")
        .audience("web")
        .store(tower_refresh::MemoryStore::new())
        .claims(|_, _| async { Ok::<_, std::convert::Infallible>(None) })
        .max_sessions(0)
        .build();
    assert!(matches!(result, Err(ConfigError::InvalidMaxSessions)), "{result:?}");
}

#[tokio::test]
async fn a_new_session_after_an_ordinary_login_costs_no_listing() {
    let world = World::new();
    let mut browser = Browser::new();
    browser.get(&world, "/login/alice").await;
    assert_eq!(world.store.take_calls(), [(Op::Create, 1)]);
    world.clock.advance(GRACE);
    let response = world.send_to(routes, browser.request("/refresh")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(set_cookie(&response, REFRESH).map(|token| generation(&token)), None);
}

/// A session that has ended when its turn comes may go on under a new id, so the sessions are listed again: eight times.
#[tokio::test]
async fn a_login_that_cannot_make_room_is_reported_and_fails_if_it_was_to_end_all_others() {
    for ends_others in [false, true] {
        for overlooked in [7, 8] {
            let case = format!("end_others: {ends_others}, {overlooked} times");
            let world = World::with(|builder| builder.max_sessions(if ends_others { 10 } else { 1 }));
            let (_, left) = logged_in(&world, "alice", LoginOptions::new()).await;
            world.clock.advance(SECOND);
            world.take_events();
            world.store.overlook_sessions(Op::End, overlooked);
            let options = || if ends_others { LoginOptions::new().end_others() } else { LoginOptions::new() };

            let mut browser = Browser::new();
            let response = log_in(&world, &mut browser, "alice", options()).await;

            let is_reported = overlooked == 8;
            let fails = is_reported && ends_others;
            assert_eq!(response.status(), if fails { 503 } else { 200 }, "{case}: {response:?}");
            assert_eq!(browser.access().is_none(), fails, "{case}");
            let live = world.auth.sessions("alice", None).await.unwrap().len();
            assert_eq!(live, if is_reported && !fails { 2 } else { 1 }, "{case}");
            assert_eq!(end_reason(&world, left).await.is_none(), is_reported, "{case}");
            let events = world.take_events();
            let reported = |kind: &EventKind| *kind == EventKind::DisplacementIncomplete;
            assert_eq!(
                events.iter().filter(|kind| reported(kind)).count(),
                usize::from(is_reported),
                "{case}"
            );

            // The next login ends what is left.
            world.clock.advance(SECOND);
            logged_in(&world, "alice", options()).await;
            assert_eq!(end_reason(&world, left).await, Some(EndReason::Displaced), "{case}");
            assert_eq!(world.auth.sessions("alice", None).await.unwrap().len(), 1, "{case}");
        }
    }
}
