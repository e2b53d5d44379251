//! Lifetimes of sessions and tokens, refresh ahead, and changes of claims.

use std::{collections::BTreeSet, time::Duration};

use http::{Response, StatusCode};
use tower_refresh::{
    Authenticated, Clock, RotationPolicy, Timestamp,
    event::{EndReason, EventKind, TokenClass},
};

use crate::support::{
    Browser, Op, World,
    browser::{ACCESS, REFRESH, generation, set_cookie},
    mint,
    probe::{
        ACCESS_LIFETIME, DAY, GRACE, MILLISECOND, alter_row, as_navigation, carries_nothing, expired_browser,
        expiry, max_age, poll_until_stuck, refresh, session_of, with_bearer,
    },
    store::Fault,
};

const SECOND: Duration = Duration::from_secs(1);

fn with_policy(change: impl FnOnce(&mut RotationPolicy)) -> World {
    let mut policy = RotationPolicy::balanced();
    change(&mut policy);
    World::with(|builder| builder.policy(policy))
}

#[tokio::test]
async fn a_session_that_is_not_used_for_a_week_expires() {
    for (unused, status) in [(7 * DAY - MILLISECOND, 200), (7 * DAY, 401)] {
        let world = World::new();
        let mut browser = Browser::logged_in(&world, "alice").await;
        refresh(&world, &mut browser).await;
        world.clock.advance(unused);

        assert_eq!(browser.get(&world, "/me").await.status(), status);
    }
}

#[tokio::test]
async fn a_refresh_that_does_not_rotate_does_not_prolong_the_session() {
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;
    let old = browser.clone();
    browser.get(&world, "/me").await;
    let idle_expiry = world.store.row(session).await.unwrap().idle_expiry;
    world.clock.advance(GRACE);

    browser.drop_access();
    browser.get(&world, "/me").await;
    let response = world.send(old.request("/me")).await;

    assert!(set_cookie(&response, REFRESH).is_some());
    assert_eq!(max_age(&response, REFRESH), Some((7 * DAY - GRACE).as_secs()));
    assert_eq!(world.store.row(session).await.unwrap().idle_expiry, idle_expiry);
}

#[tokio::test]
async fn a_session_expires_after_a_month_however_busy() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    let login = world.clock.now();
    for day in 1..30 {
        world.clock.set(login.saturating_add(day * DAY));
        let response = browser.get(&world, "/me").await;
        assert_eq!(response.status(), 200);
        let left = (30 * DAY - day * DAY).min(7 * DAY);
        assert_eq!(max_age(&response, REFRESH), Some(left.as_secs()));
    }

    world.clock.set(login.saturating_add(30 * DAY));
    world.store.take_calls();
    let response = browser.get(&world, "/me").await;

    assert_eq!(response.status(), 401);
    assert_eq!(world.store.take_calls(), []);
}

#[tokio::test]
async fn no_token_and_no_cookie_outlives_the_session() {
    let lifetimes: [fn(&mut RotationPolicy); 2] = [
        |policy| policy.absolute = 15 * Duration::from_secs(60),
        |policy| (policy.absolute, policy.idle) = (25 * Duration::from_secs(60), 5 * Duration::from_secs(60)),
    ];
    for lifetimes in lifetimes {
        let world = with_policy(lifetimes);
        let mut browser = Browser::logged_in(&world, "alice").await;
        let session = session_of(&browser);
        for minute in 0..30 {
            if let Some(access) = browser.access() {
                let row = world.store.row(session).await.unwrap();
                assert!(expiry(access) <= row.expires_at(), "{minute}");
            }
            world.clock.advance(61 * SECOND);
            browser.drop_access();
            let response = browser.get(&world, "/optional").await;
            let row = world.store.row(session).await.unwrap();
            let left = row.expires_at().saturating_since(world.clock.now()).as_secs();
            for name in [ACCESS, REFRESH] {
                assert!(max_age(&response, name).is_none_or(|age| age <= left && age > 0), "{minute}");
            }
            assert!(row.idle_expiry <= row.absolute_expiry);
            let over = world.clock.now() >= row.expires_at();
            assert_eq!(response.body() == "-", over, "{minute}");
        }
        assert!(world.clock.now() > world.store.row(session).await.unwrap().absolute_expiry);
    }
}

#[tokio::test]
async fn the_access_cookie_lives_as_long_as_its_token() {
    let world = World::new();
    let (mut browser, _) = expired_browser(&world, "alice").await;
    let response = browser.get(&world, "/me").await;

    let access = set_cookie(&response, ACCESS).unwrap();
    let life = expiry(&access).saturating_since(world.clock.now());

    assert_eq!(max_age(&response, ACCESS), Some(life.as_secs()));
    assert!(life <= ACCESS_LIFETIME && life >= ACCESS_LIFETIME * 19 / 20);
    assert_eq!(max_age(&response, REFRESH), Some((7 * DAY).as_secs()));
}

/// A browser whose access token is valid for 30 s more.
async fn browser_near_expiry(world: &World) -> Browser {
    let mut browser = Browser::logged_in(world, "alice").await;
    refresh(world, &mut browser).await;
    refresh(world, &mut browser).await;
    world.clock.set(expiry(browser.access().unwrap()).saturating_sub(30 * SECOND));
    world.take_events();
    world.store.take_calls();
    browser
}

fn is_alice(response: &Response<bytes::Bytes>) -> bool {
    response.status() == StatusCode::OK && response.body() == "alice"
}

#[tokio::test]
async fn an_access_token_near_its_expiry_is_refreshed_ahead_while_the_handler_runs() {
    let world = World::new();
    let mut browser = browser_near_expiry(&world).await;
    let loads = world.users.loads();
    let handler = |request| async {
        tokio::task::yield_now().await;
        crate::support::world::routes(request).await
    };
    let mut pending = Box::pin(world.send_to(handler, browser.request("/me")));
    assert!(crate::support::probe::poll_once(&mut pending).is_pending());
    assert_eq!(world.store.take_calls(), [(Op::Load, 1)]);
    assert_eq!(world.users.loads(), loads + 1);

    let response = pending.await;

    assert!(is_alice(&response));
    assert!(set_cookie(&response, ACCESS).is_some());
    assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 3);
    assert_eq!(world.store.take_calls(), [(Op::Swap, 1)]);
    assert_eq!(world.take_events(), [EventKind::Refresh(TokenClass::Current)]);
    browser.keep(response.headers());
    assert!(is_alice(&browser.get(&world, "/me").await));
    assert_eq!(world.store.take_calls(), []);
}

#[tokio::test]
async fn an_access_token_is_not_refreshed_before_its_last_fifth_or_if_refresh_ahead_is_off() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    world.store.take_calls();
    world.clock.set(expiry(browser.access().unwrap()).saturating_sub(121 * SECOND));
    assert!(carries_nothing(&browser.get(&world, "/me").await));
    world.clock.set(expiry(browser.access().unwrap()).saturating_sub(114 * SECOND));
    assert!(!carries_nothing(&browser.get(&world, "/me").await));

    let world = with_policy(|policy| policy.refresh_ahead = 0.0);
    let mut browser = browser_near_expiry(&world).await;
    assert!(carries_nothing(&browser.get(&world, "/me").await));
    assert_eq!(world.store.take_calls(), []);
}

#[tokio::test]
async fn an_access_token_near_its_expiry_is_not_refreshed_with_the_session_of_another_user() {
    let world = World::new();
    let browser = browser_near_expiry(&world).await;
    let mut stranger = Browser::logged_in(&world, "bob").await;
    stranger.cookies.insert(ACCESS.to_owned(), browser.access().unwrap().to_owned());
    world.store.take_calls();

    let response = stranger.get(&world, "/me").await;

    assert!(is_alice(&response) && carries_nothing(&response));
    assert_eq!(world.store.take_calls(), []);
}

#[tokio::test]
async fn a_refresh_ahead_uses_the_transport_of_the_access_token() {
    let world = World::new();
    let browser = browser_near_expiry(&world).await;
    let mut request = with_bearer("/me", browser.access().unwrap());
    let cookie = format!("{REFRESH}={}", browser.refresh().unwrap());
    request.headers_mut().insert("cookie", cookie.parse().unwrap());

    let response = world.send(request).await;

    assert!(response.headers().contains_key("x-access-token"));
    assert_eq!(set_cookie(&response, ACCESS), None);
    assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 3);
}

#[tokio::test]
async fn a_refresh_ahead_rejects_nothing_and_ends_nothing_whatever_the_refresh_token_is() {
    /// Breaks something, or returns a generation for the row.
    type Disaster = fn(&World, &Browser) -> Option<u32>;
    let disasters: [(&str, Disaster); 8] = [
        ("reuse", |_, browser| Some(generation(browser.refresh().unwrap()) + 2)),
        ("ahead", |_, browser| Some(generation(browser.refresh().unwrap()) - 1)),
        ("far ahead", |_, _| Some(0)),
        ("gone", |world, _| {
            world.users.remove("alice");
            None
        }),
        ("the claims source fails", |world, _| {
            world.users.break_loads(Some(Fault::Fails));
            None
        }),
        ("the claims source panics", |world, _| {
            world.users.break_loads(Some(Fault::Panics));
            None
        }),
        ("the store fails to load", |world, _| {
            world.store.break_op(Op::Load, Fault::Fails);
            None
        }),
        ("the store fails to swap", |world, _| {
            world.store.break_op(Op::Swap, Fault::Panics);
            None
        }),
    ];
    for (name, disaster) in disasters {
        let world = World::new();
        let mut browser = browser_near_expiry(&world).await;
        let session = session_of(&browser);
        if let Some(generation) = disaster(&world, &browser) {
            alter_row(&world, session, |row| row.generation = generation).await;
        }
        let row = world.store.row(session).await;

        let response = browser.get(&world, "/me").await;

        assert!(is_alice(&response) && carries_nothing(&response), "{name}");
        assert_eq!(world.store.row(session).await, row, "{name}");
        let events = world.take_events();
        assert_eq!(events.contains(&EventKind::Reuse), name == "reuse", "{events:?}");
        let allowed =
            [EventKind::Reuse, EventKind::StoreFailed, EventKind::ClaimsFailed, EventKind::Impossible];
        assert!(events.iter().all(|event| allowed.contains(event)), "{name}: {events:?}");
    }
}

#[tokio::test]
async fn a_refresh_ahead_of_an_ended_or_expired_session_sends_nothing_even_to_a_navigation() {
    for expires in [false, true] {
        let world = World::new();
        let mut browser = browser_near_expiry(&world).await;
        let session = session_of(&browser);
        let now = world.clock.now();
        if expires {
            alter_row(&world, session, |row| row.idle_expiry = now).await;
        } else {
            use tower_refresh::store::SessionStore;
            assert!(world.store.inner.end(session, EndReason::Revoked, now, 1).await.unwrap());
        }
        let request = as_navigation(browser.request("/me"));

        let response = world.send(request).await;
        assert!(is_alice(&response) && carries_nothing(&response));

        // From now on this server knows of the session that another one ended.
        assert_eq!(is_alice(&browser.get(&world, "/me").await), expires);
    }
}

#[tokio::test]
async fn a_refresh_ahead_redelivers_the_token_that_another_tab_rotated_to() {
    let world = World::new();
    let mut browser = browser_near_expiry(&world).await;
    let mut tab = browser.clone();
    browser.get(&world, "/me").await;
    world.clock.advance(20 * SECOND);

    let response = tab.get(&world, "/me").await;

    assert!(is_alice(&response));
    assert_eq!(set_cookie(&response, REFRESH).as_deref(), browser.refresh());
}

#[tokio::test]
async fn a_response_waits_for_its_refresh_ahead_no_longer_than_the_time_limit_of_the_store() {
    for op in [Op::Load, Op::Swap] {
        let world = World::with(|builder| builder.backend_timeout(MILLISECOND));
        let mut browser = browser_near_expiry(&world).await;
        world.store.break_op(op, Fault::Hangs);
        let response = browser.get(&world, "/me").await;
        assert!(is_alice(&response) && carries_nothing(&response));
    }
    let world = World::with(|builder| builder.backend_timeout(MILLISECOND));
    let mut browser = browser_near_expiry(&world).await;
    world.users.break_loads(Some(Fault::Hangs));
    let response = browser.get(&world, "/me").await;
    assert!(is_alice(&response) && carries_nothing(&response));
}

#[tokio::test]
async fn a_refresh_ahead_is_dropped_with_its_request() {
    let world = World::new();
    let browser = browser_near_expiry(&world).await;
    let session = session_of(&browser);
    let row = world.store.row(session).await;
    for _ in 0..5 {
        let handler = |_| std::future::pending();
        let mut request = Box::pin(world.send_to(handler, browser.request("/me")));
        assert!(poll_until_stuck(&mut request).is_pending());
    }
    assert_eq!(world.store.row(session).await, row);
    assert_eq!(world.store.take_calls(), [(Op::Load, 5)]);
}

#[tokio::test]
async fn access_tokens_issued_at_once_do_not_all_expire_at_once() {
    let world = World::new();
    let mut lifetimes = BTreeSet::new();
    for _ in 0..100 {
        let browser = Browser::logged_in(&world, "alice").await;
        let claims = mint::claims(browser.access().unwrap());
        lifetimes.insert(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap());
    }
    assert!(lifetimes.iter().all(|lifetime| (570..=600).contains(lifetime)), "{lifetimes:?}");
    // 31 values are possible. That a hundred tokens have fewer than 20 of them is practically impossible.
    assert!(lifetimes.len() >= 20, "{lifetimes:?}");
}

#[tokio::test]
async fn a_changed_role_takes_effect_at_the_next_refresh_and_in_that_very_request() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    world.users.set("alice", "Alice the Great", "user admin");
    let seen = |request: http::Request<()>| async move {
        let user = Authenticated::<crate::support::Claims>::required(request.extensions()).unwrap();
        Response::new(format!("{}:{}", user.claims().name, user.scope()).into())
    };

    assert_eq!(world.send_to(seen, browser.request("/")).await.body(), "Alice:user");
    world.clock.advance(ACCESS_LIFETIME);
    let response = world.send_to(seen, browser.request("/")).await;

    assert_eq!(response.body(), "Alice the Great:user admin");
    browser.keep(response.headers());
    assert_eq!(world.send_to(seen, browser.request("/")).await.body(), "Alice the Great:user admin");
    assert_eq!(mint::claims(browser.access().unwrap())["name"], "Alice the Great");
}

#[tokio::test]
async fn a_role_that_the_handler_changes_is_in_the_token_that_it_asks_for() {
    for has_expired in [false, true] {
        let world = World::new();
        let browser = Browser::logged_in(&world, "alice").await;
        if has_expired {
            // The layer loaded the old claims before the handler ran.
            world.clock.advance(ACCESS_LIFETIME);
        }
        let users = world.users.clone();
        let upgrade = move |request: http::Request<()>| {
            users.set("alice", "Alice", "user admin");
            crate::support::world::routes(request)
        };

        let response = world.send_to(upgrade, browser.request("/refresh")).await;

        assert_eq!(response.status(), 200);
        let access = set_cookie(&response, ACCESS).unwrap();
        assert_eq!(mint::claims(&access)["scope"], "user admin", "expired: {has_expired}");
    }
}

#[tokio::test]
async fn a_subject_whom_the_handler_removes_gets_no_new_token() {
    let world = World::new();
    let (browser, session) = expired_browser(&world, "alice").await;
    let users = world.users.clone();
    let leave = move |request: http::Request<()>| {
        users.remove("alice");
        crate::support::world::routes(request)
    };

    let response = world.send_to(leave, browser.request("/refresh")).await;

    assert_eq!(response.status(), 401);
    assert!(carries_nothing(&response));
    assert_eq!(world.store.row(session).await.unwrap().ended.unwrap().reason, EndReason::Disabled);
}

#[tokio::test]
async fn a_subject_that_is_gone_is_logged_out_at_its_next_refresh() {
    let world = World::new();
    let mut other = Browser::logged_in(&world, "alice").await;
    let (mut browser, session) = expired_browser(&world, "alice").await;
    world.users.remove("alice");

    let response = browser.get(&world, "/me").await;

    assert_eq!(response.status(), 401);
    assert!(carries_nothing(&response));
    let ended = world.store.row(session).await.unwrap().ended.unwrap();
    assert_eq!((ended.reason, ended.at), (EndReason::Disabled, world.clock.now()));
    assert_eq!(world.take_events(), [EventKind::End(EndReason::Disabled)]);
    assert_eq!(other.get(&world, "/optional").await.body(), "-");
    assert_eq!(world.auth.sessions("alice", None).await.unwrap().len(), 0);
    assert_eq!(browser.get(&world, "/login/alice").await.status(), 403);
}

#[tokio::test]
async fn session_times_that_tokens_carry_are_whole_seconds() {
    let world = World::new();
    world.clock.advance(Duration::from_millis(999));
    let browser = Browser::logged_in(&world, "alice").await;
    let row = world.store.row(session_of(&browser)).await.unwrap();
    assert_eq!(row.absolute_expiry, Timestamp::from_secs(row.absolute_expiry.as_secs()));
    assert_eq!(mint::claims(browser.access().unwrap())["iat"], world.clock.now().as_secs());
}
