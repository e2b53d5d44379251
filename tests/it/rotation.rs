//! Stories of the rotation protocol: an honest browser stays logged in, and a thief does not.

use std::time::Duration;

use http::StatusCode;
use tower_refresh::{
    RotationPolicy,
    event::{EndReason, EventKind, TokenClass},
};

use crate::support::{
    Browser, Op, World,
    browser::{ACCESS, REFRESH, generation, set_cookie},
    probe::{
        ACCESS_LIFETIME, DAMPING, GRACE, HALF_A_DAY, MILLISECOND, as_navigation, carries_nothing,
        expired_browser, refresh, session_of, with_refresh,
    },
    request,
};

#[tokio::test]
async fn an_expired_access_token_is_refreshed_in_the_same_request() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    world.clock.advance(ACCESS_LIFETIME);

    let response = browser.get(&world, "/me").await;

    assert_eq!((response.status(), response.body().as_ref()), (StatusCode::OK, b"alice".as_slice()));
    assert!(set_cookie(&response, ACCESS).is_some());
    assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1);
    assert_eq!(world.take_events(), [EventKind::Login, EventKind::Refresh(TokenClass::Current)]);
}

#[tokio::test]
async fn each_refresh_costs_one_load_and_one_swap() {
    let world = World::with(|builder| {
        let mut policy = RotationPolicy::balanced();
        policy.absolute = Duration::from_secs(365 * 24 * 60 * 60);
        builder.policy(policy)
    });
    let mut browser = Browser::logged_in(&world, "alice").await;
    world.store.take_calls();

    for refreshed in 1..=100 {
        world.clock.advance(6 * HALF_A_DAY);
        let response = browser.get(&world, "/me").await;
        assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), refreshed);
        assert_eq!(world.store.take_calls(), [(Op::Load, 1), (Op::Swap, 1)]);
    }
}

/// A request whose response the browser never sees.
async fn lose_a_response(world: &World, browser: &Browser) {
    let response = world.send(browser.request("/me")).await;
    assert_eq!(response.status(), 200);
    assert!(set_cookie(&response, REFRESH).is_some());
}

#[tokio::test]
async fn a_lost_response_is_made_up_for_within_the_grace_period() {
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;
    lose_a_response(&world, &browser).await;
    let row = world.store.row(session).await.unwrap();
    world.clock.advance(GRACE);

    let response = browser.get(&world, "/me").await;

    assert_eq!(response.status(), 200);
    assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1);
    assert_eq!(world.store.row(session).await.unwrap(), row);
    assert_eq!(
        world.take_events(),
        [EventKind::Refresh(TokenClass::Current), EventKind::Refresh(TokenClass::Previous)]
    );
}

#[tokio::test]
async fn a_lost_response_is_made_up_for_after_the_grace_period_from_the_late_budget() {
    let (overdue, late) = (EventKind::Refresh(TokenClass::Overdue), EventKind::Refresh(TokenClass::Late));
    for (later, events) in [
        (GRACE + MILLISECOND, &[overdue][..]),
        (DAMPING, &[overdue]),
        (DAMPING + MILLISECOND, &[EventKind::Late, late]),
        (HALF_A_DAY, &[EventKind::Late, late]),
    ] {
        let world = World::new();
        let (mut browser, session) = expired_browser(&world, "alice").await;
        lose_a_response(&world, &browser).await;
        world.take_events();
        world.clock.advance(later);

        let response = browser.get(&world, "/me").await;

        assert_eq!(response.status(), 200);
        assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1);
        let now = tower_refresh::Clock::now(&world.clock);
        let row = world.store.row(session).await.unwrap();
        assert_eq!((row.generation, row.rotated_at), (1, now));
        assert_eq!(row.late_budget, now.saturating_add(HALF_A_DAY));
        assert_eq!(world.take_events(), events);

        let response = refresh(&world, &mut browser).await;
        assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 2);
    }
}

/// A request that was sent before its successor arrived, and was slow on the way.
#[tokio::test]
async fn an_overdue_token_whose_successor_was_used_authenticates_and_gets_nothing() {
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;
    let slow = browser.request("/me");
    browser.get(&world, "/me").await;
    browser.drop_access();
    browser.get(&world, "/me").await;
    let row = world.store.row(session).await.unwrap();
    assert!(row.confirmed);
    world.take_events();
    world.clock.advance(DAMPING);

    let response = world.send(slow).await;

    assert_eq!((response.status(), response.body().as_ref()), (StatusCode::OK, b"alice".as_slice()));
    assert!(carries_nothing(&response));
    assert_eq!(world.store.row(session).await.unwrap(), row);
    assert_eq!(world.take_events(), []);
}

/// The late budget is used up, and every response that used it was lost.
async fn use_up_the_late_budget(world: &World, browser: &Browser) {
    lose_a_response(world, browser).await;
    for _ in 0..2 {
        world.clock.advance(DAMPING + MILLISECOND);
        lose_a_response(world, browser).await;
    }
    world.take_events();
}

#[tokio::test]
async fn a_third_late_token_within_half_a_day_is_anonymous_and_changes_nothing() {
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;
    let response = world.send(browser.request("/me")).await;
    let mut holder = browser.clone();
    holder.keep(response.headers());
    use_up_the_late_budget(&world, &browser).await;
    let row = world.store.row(session).await.unwrap();
    world.clock.advance(HALF_A_DAY - DAMPING - 2 * MILLISECOND);
    world.store.take_calls();

    for request in [browser.request("/me"), as_navigation(browser.request("/me"))] {
        let response = world.send(request).await;
        assert_eq!(response.status(), 401);
        assert!(carries_nothing(&response), "the cookies stay");
        assert_eq!(world.store.take_calls(), [(Op::Load, 1)]);
        assert_eq!(world.take_events(), [EventKind::Spent]);
    }
    assert_eq!(browser.get(&world, "/optional").await.body(), "-");
    assert_eq!(world.store.row(session).await.unwrap(), row);

    // The holder of the successor goes on.
    world.take_events();
    let response = holder.get(&world, "/me").await;
    assert_eq!((response.status(), response.body().as_ref()), (StatusCode::OK, b"alice".as_slice()));
    assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 2);
    assert_eq!(world.take_events(), [EventKind::Refresh(TokenClass::Current)]);
}

#[tokio::test]
async fn a_login_with_a_spent_token_ends_its_session() {
    let world = World::new();
    let (mut owner, session) = expired_browser(&world, "alice").await;
    let mut thief = owner.clone();
    use_up_the_late_budget(&world, &owner).await;
    thief.keep(world.send(thief.request("/me")).await.headers());
    world.clock.advance(DAMPING + MILLISECOND);
    assert_eq!(owner.get(&world, "/me").await.status(), 401);

    assert_eq!(owner.get(&world, "/login/alice").await.status(), 200);

    assert_eq!(world.store.row(session).await.unwrap().ended.unwrap().reason, EndReason::Superseded);
    assert_eq!(thief.get(&world, "/me").await.status(), 401);
    assert_eq!(owner.get(&world, "/me").await.body(), "alice");
}

#[tokio::test]
async fn an_overdue_token_without_late_budget_authenticates_and_gets_nothing() {
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;
    use_up_the_late_budget(&world, &browser).await;
    let row = world.store.row(session).await.unwrap();
    world.clock.advance(GRACE + MILLISECOND);

    let response = browser.get(&world, "/me").await;

    assert_eq!(response.status(), 200);
    assert!(carries_nothing(&response));
    assert_eq!(world.store.row(session).await.unwrap(), row);
    // An explicit refresh issues nothing either, and names the reason: a client may try again.
    let response = browser.get(&world, "/refresh").await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (503, &"1".parse().unwrap())
    );
    assert_eq!(world.store.row(session).await.unwrap(), row);
}

#[tokio::test]
async fn a_spent_token_beside_a_valid_access_token_is_reported_and_changes_nothing() {
    let world = World::new();
    let (browser, session) = expired_browser(&world, "alice").await;
    use_up_the_late_budget(&world, &browser).await;
    world.clock.advance(DAMPING + MILLISECOND);
    let row = world.store.row(session).await.unwrap();
    let near_end = tower_refresh::Clock::now(&world.clock).saturating_sub(Duration::from_secs(500));
    let refresh = browser.refresh().unwrap();
    let access = crate::support::mint::access_token(&world, session, refresh, near_end).await;

    let cookies = format!("{ACCESS}={access}; {REFRESH}={refresh}");
    let response = world.send(request("/me", &[("cookie", &cookies)])).await;

    assert_eq!(response.status(), 200);
    assert!(carries_nothing(&response));
    assert_eq!(world.store.row(session).await.unwrap(), row);
    assert_eq!(world.take_events(), [EventKind::Spent]);
}

#[tokio::test]
async fn the_late_budget_grows_back_by_one_in_half_a_day() {
    let world = World::new();
    let (mut browser, _) = expired_browser(&world, "alice").await;
    use_up_the_late_budget(&world, &browser).await;
    world.clock.advance(HALF_A_DAY - DAMPING - MILLISECOND);

    lose_a_response(&world, &browser).await;
    let events = [EventKind::Late, EventKind::ResponsesLost, EventKind::Refresh(TokenClass::Late)];
    assert_eq!(world.take_events(), events);

    world.clock.advance(DAMPING + MILLISECOND);
    assert_eq!(browser.get(&world, "/me").await.status(), 401);
}

#[tokio::test]
async fn the_late_budget_is_not_used_if_no_response_goes_out() {
    let world = World::new();
    let (browser, session) = expired_browser(&world, "alice").await;
    lose_a_response(&world, &browser).await;
    world.clock.advance(DAMPING + MILLISECOND);
    let row = world.store.row(session).await.unwrap();

    for _ in 0..5 {
        let handler = |_| std::future::pending();
        let mut request = Box::pin(world.send_to(handler, browser.request("/me")));
        assert!(crate::support::probe::poll_until_stuck(&mut request).is_pending());
    }

    assert_eq!(world.store.row(session).await.unwrap(), row);
    for _ in 0..2 {
        lose_a_response(&world, &browser).await;
        world.clock.advance(DAMPING + MILLISECOND);
    }
}

#[tokio::test]
async fn the_strict_policy_treats_the_first_late_token_as_a_copy() {
    const STRICT_GRACE: Duration = Duration::from_secs(10);
    for (later, status, sends) in [
        (STRICT_GRACE, 200, true),
        (STRICT_GRACE + MILLISECOND, 200, false),
        (DAMPING, 200, false),
        (DAMPING + MILLISECOND, 401, false),
    ] {
        let world = World::with(|builder| builder.policy(RotationPolicy::strict()));
        let (mut browser, session) = expired_browser(&world, "alice").await;
        lose_a_response(&world, &browser).await;
        world.take_events();
        world.clock.advance(later);

        let response = browser.get(&world, "/me").await;

        assert_eq!((response.status().as_u16(), !carries_nothing(&response)), (status, sends), "{later:?}");
        let ended = world.store.row(session).await.unwrap().ended.map(|ended| ended.reason);
        assert_eq!(ended, (status == 401).then_some(EndReason::Reuse), "{later:?}");
        if status == 401 {
            assert_eq!(world.take_events(), [EventKind::Reuse, EventKind::End(EndReason::Reuse)]);
        }
    }
}

#[tokio::test]
async fn the_tolerant_policy_makes_up_for_any_number_of_lost_responses() {
    let world = World::with(|builder| builder.policy(RotationPolicy::tolerant()));
    let (mut browser, _) = expired_browser(&world, "alice").await;
    for _ in 0..20 {
        lose_a_response(&world, &browser).await;
        world.clock.advance(2 * DAMPING);
    }
    assert_eq!(browser.get(&world, "/me").await.status(), 200);
}

#[tokio::test]
async fn no_policy_tolerates_the_previous_token_once_its_successor_was_seen() {
    for policy in [RotationPolicy::strict(), RotationPolicy::balanced(), RotationPolicy::tolerant()] {
        let damping = policy.damping;
        let world = World::with(|builder| builder.policy(policy));
        let (mut browser, session) = expired_browser(&world, "alice").await;
        let thief = browser.clone();
        assert_eq!(browser.get(&world, "/me").await.status(), 200);
        browser.drop_access();
        assert_eq!(browser.get(&world, "/me").await.status(), 200);
        assert!(world.store.row(session).await.unwrap().confirmed);
        world.take_events();
        world.clock.advance(damping + MILLISECOND);

        assert_eq!(world.send(thief.request("/me")).await.status(), 401);

        assert_eq!(world.take_events(), [EventKind::Reuse, EventKind::End(EndReason::Reuse)]);
        assert_eq!(browser.get(&world, "/me").await.status(), 401);
    }
}

#[tokio::test]
async fn a_stolen_token_that_is_two_generations_old_ends_the_session() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    let mut thief = browser.clone();
    for _ in 0..2 {
        refresh(&world, &mut browser).await;
    }

    thief.drop_access();
    assert_eq!(thief.get(&world, "/me").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(browser.get(&world, "/me").await.status(), StatusCode::UNAUTHORIZED);
    assert!(world.take_events().ends_with(&[EventKind::Reuse, EventKind::End(EndReason::Reuse)]));
}

#[tokio::test]
async fn a_token_two_generations_behind_ends_the_session_under_the_most_tolerant_policy_and_within_the_grace_period()
 {
    let world = World::with(|builder| builder.policy(RotationPolicy::tolerant()));
    let (mut browser, session) = expired_browser(&world, "alice").await;
    let first = browser.refresh().unwrap().to_owned();
    browser.get(&world, "/me").await;
    refresh(&world, &mut browser).await;

    assert_eq!(world.send(with_refresh("/me", &first)).await.status(), 401);
    assert!(world.store.row(session).await.unwrap().ended.is_some());
}

#[tokio::test]
async fn reuse_ends_one_session_and_the_others_of_the_user_live_on() {
    let world = World::new();
    let mut laptop = Browser::logged_in(&world, "alice").await;
    let mut phone = Browser::logged_in(&world, "alice").await;
    let mut stranger = Browser::logged_in(&world, "bob").await;
    let first = phone.refresh().unwrap().to_owned();
    for _ in 0..2 {
        refresh(&world, &mut phone).await;
    }

    assert_eq!(world.send(with_refresh("/me", &first)).await.status(), 401);

    assert_eq!(phone.get(&world, "/me").await.status(), 401);
    assert_eq!(laptop.get(&world, "/me").await.body(), "alice");
    assert_eq!(stranger.get(&world, "/me").await.body(), "bob");
    let sessions = world.auth.sessions("alice", None).await.unwrap();
    assert_eq!(sessions.iter().map(|info| info.handle()).collect::<Vec<_>>(), [session_of(&laptop)]);
}

#[tokio::test]
async fn a_session_rotates_at_most_once_in_the_damping_interval() {
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;
    browser.get(&world, "/me").await;
    world.clock.advance(DAMPING);

    for _ in 0..3 {
        browser.drop_access();
        let response = browser.get(&world, "/me").await;
        assert_eq!(response.status(), 200);
        assert!(set_cookie(&response, ACCESS).is_some());
        assert_eq!(set_cookie(&response, REFRESH), None);
    }
    let row = world.store.row(session).await.unwrap();
    assert_eq!((row.generation, row.confirmed, world.store.writes(session)), (1, true, 2));

    world.clock.advance(MILLISECOND);
    browser.drop_access();
    let response = browser.get(&world, "/me").await;
    assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 2);
    assert!(!world.store.row(session).await.unwrap().confirmed);
}

#[tokio::test]
async fn a_login_counts_as_a_rotation() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    browser.drop_access();

    let response = browser.get(&world, "/me").await;

    assert_eq!(response.status(), 200);
    assert!(set_cookie(&response, ACCESS).is_some());
    assert_eq!(set_cookie(&response, REFRESH), None);
}

#[tokio::test]
async fn a_rejected_refresh_token_does_not_help_an_expired_bearer_header() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    let (access, first) = (browser.access().unwrap().to_owned(), browser.refresh().unwrap().to_owned());
    for _ in 0..2 {
        refresh(&world, &mut browser).await;
    }
    let cookie = format!("{REFRESH}={first}");
    let headers = [("authorization", &*format!("Bearer {access}")), ("cookie", &cookie)];

    let response = world.send(crate::support::request("/optional", &headers)).await;

    assert_eq!(response.status(), 401);
    assert!(response.headers()["www-authenticate"].to_str().unwrap().contains("invalid_token"));
    assert!(world.store.row(session_of(&browser)).await.unwrap().ended.is_some());
}

/// A request for a WebSocket over HTTP/2 or HTTP/3 (RFC 8441, RFC 9220); the extended `:protocol` is of no concern here.
fn as_connect(request: http::Request<()>) -> http::Request<()> {
    let (mut parts, body) = request.into_parts();
    parts.method = http::Method::CONNECT;
    http::Request::from_parts(parts, body)
}

#[tokio::test]
async fn an_upgrade_with_a_late_token_spends_late_budget_and_sends_nothing() {
    for is_connect in [false, true] {
        let world = World::new();
        let (browser, session) = expired_browser(&world, "alice").await;
        lose_a_response(&world, &browser).await;
        let upgrade = || match is_connect {
            false => browser.request("/status/101"),
            true => as_connect(browser.request("/status/200")),
        };
        for spent in 1..=2 {
            world.clock.advance(DAMPING + MILLISECOND);
            world.take_events();
            world.store.take_calls();

            let response = world.send(upgrade()).await;

            assert!(response.headers().is_empty(), "{response:?}");
            let now = tower_refresh::Clock::now(&world.clock);
            let row = world.store.row(session).await.unwrap();
            assert_eq!((row.generation, row.confirmed, row.rotated_at), (1, false, now));
            assert!(row.late_budget > now.saturating_add((spent - 1) * HALF_A_DAY));
            assert_eq!(world.store.take_calls(), [(Op::Load, 1), (Op::Swap, 1)]);
            assert_eq!(world.take_events(), [EventKind::Late]);
        }
        world.clock.advance(DAMPING + MILLISECOND);
        assert_eq!(world.send(browser.request("/me")).await.status(), 401, "the budget is spent");
    }
}

#[tokio::test]
async fn an_upgrade_with_a_token_that_is_not_late_writes_and_sends_nothing() {
    for is_connect in [false, true] {
        for (class, later) in [
            (TokenClass::Current, Duration::ZERO),
            (TokenClass::Previous, GRACE),
            (TokenClass::Overdue, DAMPING),
        ] {
            let world = World::new();
            let (browser, session) = expired_browser(&world, "alice").await;
            if class != TokenClass::Current {
                lose_a_response(&world, &browser).await;
            }
            world.clock.advance(later);
            let row = world.store.row(session).await.unwrap();
            world.store.take_calls();
            let handler = async |request: http::Request<()>| {
                let mut response = crate::support::world::routes(request).await;
                assert_eq!(response.body().as_ref(), b"alice");
                if !is_connect {
                    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                }
                response
            };
            let request = browser.request("/me");
            let request = if is_connect { as_connect(request) } else { request };

            let response = world.send_to(handler, request).await;

            assert!(response.headers().is_empty(), "{class:?} {response:?}");
            assert_eq!(world.store.take_calls(), [(Op::Load, 1)], "{class:?}");
            assert_eq!(world.store.row(session).await.unwrap(), row, "{class:?}");
        }
    }
}

#[tokio::test]
async fn a_connect_that_is_refused_is_refreshed_like_any_other_request() {
    let world = World::new();
    let (browser, _) = expired_browser(&world, "alice").await;

    let response = world.send(as_connect(browser.request("/status/403"))).await;

    assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1);
}

#[tokio::test]
async fn a_late_upgrade_that_another_request_paid_for_spends_nothing() {
    let world = World::new();
    let (browser, session) = expired_browser(&world, "alice").await;
    lose_a_response(&world, &browser).await;
    world.clock.advance(DAMPING + MILLISECOND);
    let (shared, other) = (world.clone(), browser.clone());
    let handler = move |request: http::Request<()>| {
        let (world, browser) = (shared.clone(), other.clone());
        async move {
            lose_a_response(&world, &browser).await;
            crate::support::world::routes(request).await
        }
    };

    let response = world.send_to(handler, browser.request("/status/101")).await;

    assert!(response.headers().is_empty(), "{response:?}");
    let row = world.store.row(session).await.unwrap();
    let now = tower_refresh::Clock::now(&world.clock);
    assert_eq!(row.late_budget, now.saturating_add(HALF_A_DAY), "one late use");
}

#[tokio::test]
async fn a_store_that_fails_when_an_upgrade_spends_budget_does_not_fail_the_upgrade() {
    let world = World::new();
    let (browser, session) = expired_browser(&world, "alice").await;
    lose_a_response(&world, &browser).await;
    world.clock.advance(DAMPING + MILLISECOND);
    let row = world.store.row(session).await.unwrap();
    world.store.break_op(Op::Swap, crate::support::store::Fault::Fails);

    let response = world.send(browser.request("/status/101")).await;

    assert_eq!(response.status(), 101);
    assert!(response.headers().is_empty(), "{response:?}");
    assert_eq!(world.store.row(session).await.unwrap(), row);
}
