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
        ACCESS_LIFETIME, DAMPING, GRACE, MILLISECOND, carries_nothing, expired_browser, refresh, session_of,
        with_refresh,
    },
};

const HALF_A_DAY: Duration = Duration::from_secs(12 * 60 * 60);

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
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;
    lose_a_response(&world, &browser).await;
    world.clock.advance(GRACE + MILLISECOND);

    let response = browser.get(&world, "/me").await;

    assert_eq!(response.status(), 200);
    assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1);
    let now = tower_refresh::Clock::now(&world.clock);
    let row = world.store.row(session).await.unwrap();
    assert_eq!((row.generation, row.rotated_at), (1, now));
    assert_eq!(row.late_budget, now.saturating_add(HALF_A_DAY));
    assert_eq!(
        world.take_events(),
        [EventKind::Refresh(TokenClass::Current), EventKind::Late, EventKind::Refresh(TokenClass::Late)]
    );

    let response = refresh(&world, &mut browser).await;
    assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 2);
}

/// The late budget is used up, and every response that used it was lost.
async fn use_up_the_late_budget(world: &World, browser: &Browser) {
    lose_a_response(world, browser).await;
    for _ in 0..2 {
        world.clock.advance(GRACE + MILLISECOND);
        lose_a_response(world, browser).await;
    }
    world.take_events();
}

#[tokio::test]
async fn a_third_late_token_within_half_a_day_is_treated_as_a_copy() {
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;
    use_up_the_late_budget(&world, &browser).await;
    world.clock.advance(HALF_A_DAY - GRACE - 2 * MILLISECOND);

    let response = browser.get(&world, "/me").await;

    assert_eq!(response.status(), 401);
    assert!(carries_nothing(&response));
    assert_eq!(world.store.row(session).await.unwrap().ended.unwrap().reason, EndReason::Reuse);
    assert_eq!(world.take_events(), [EventKind::Reuse, EventKind::End(EndReason::Reuse)]);
}

#[tokio::test]
async fn the_late_budget_grows_back_by_one_in_half_a_day() {
    let world = World::new();
    let (mut browser, _) = expired_browser(&world, "alice").await;
    use_up_the_late_budget(&world, &browser).await;
    world.clock.advance(HALF_A_DAY - GRACE - MILLISECOND);

    lose_a_response(&world, &browser).await;
    assert_eq!(world.take_events(), [EventKind::Late, EventKind::Refresh(TokenClass::Late)]);

    world.clock.advance(GRACE + MILLISECOND);
    assert_eq!(browser.get(&world, "/me").await.status(), 401);
}

#[tokio::test]
async fn the_late_budget_is_not_used_if_no_response_goes_out() {
    let world = World::new();
    let (browser, session) = expired_browser(&world, "alice").await;
    lose_a_response(&world, &browser).await;
    world.clock.advance(GRACE + MILLISECOND);
    let row = world.store.row(session).await.unwrap();

    for _ in 0..5 {
        let handler = |_| std::future::pending();
        let mut request = Box::pin(world.send_to(handler, browser.request("/me")));
        assert!(crate::support::probe::poll_until_stuck(&mut request).is_pending());
    }

    assert_eq!(world.store.row(session).await.unwrap(), row);
    for _ in 0..2 {
        lose_a_response(&world, &browser).await;
        world.clock.advance(GRACE + MILLISECOND);
    }
}

#[tokio::test]
async fn the_strict_policy_treats_the_first_late_token_as_a_copy() {
    for (late, status) in [(Duration::ZERO, 200), (MILLISECOND, 401)] {
        let world = World::with(|builder| builder.policy(RotationPolicy::strict()));
        let (mut browser, _) = expired_browser(&world, "alice").await;
        lose_a_response(&world, &browser).await;
        world.clock.advance(Duration::from_secs(10) + late);

        assert_eq!(browser.get(&world, "/me").await.status(), status);
    }
}

#[tokio::test]
async fn the_tolerant_policy_makes_up_for_any_number_of_lost_responses() {
    let world = World::with(|builder| builder.policy(RotationPolicy::tolerant()));
    let (mut browser, _) = expired_browser(&world, "alice").await;
    for _ in 0..20 {
        lose_a_response(&world, &browser).await;
        world.clock.advance(2 * GRACE);
    }
    assert_eq!(browser.get(&world, "/me").await.status(), 200);
}

#[tokio::test]
async fn no_policy_tolerates_the_previous_token_once_its_successor_was_seen() {
    for policy in [RotationPolicy::strict(), RotationPolicy::balanced(), RotationPolicy::tolerant()] {
        let grace = policy.grace;
        let world = World::with(|builder| builder.policy(policy));
        let (mut browser, session) = expired_browser(&world, "alice").await;
        let thief = browser.clone();
        assert_eq!(browser.get(&world, "/me").await.status(), 200);
        browser.drop_access();
        assert_eq!(browser.get(&world, "/me").await.status(), 200);
        assert!(world.store.row(session).await.unwrap().confirmed);
        world.take_events();
        world.clock.advance(grace + MILLISECOND);

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
    let sessions = world.auth.sessions("alice").await.unwrap();
    assert_eq!(sessions.iter().map(|info| info.handle()).collect::<Vec<_>>(), [session_of(&laptop)]);
}

#[tokio::test]
async fn a_session_rotates_at_most_once_in_the_damping_interval() {
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;
    browser.get(&world, "/me").await;
    world.clock.advance(DAMPING - MILLISECOND);

    for _ in 0..3 {
        browser.drop_access();
        let response = browser.get(&world, "/me").await;
        assert_eq!(response.status(), 200);
        assert!(set_cookie(&response, ACCESS).is_some());
        assert_eq!(set_cookie(&response, REFRESH), None);
    }
    let row = world.store.row(session).await.unwrap();
    assert_eq!((row.generation, row.confirmed, world.store.writes(session)), (1, true, 2));

    world.clock.advance(DAMPING);
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
