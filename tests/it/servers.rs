//! Several servers on one store: clocks that differ, a store that forgets, keys that change.

use std::time::Duration;

use tower_refresh::{
    Clock, KeyRing, RotationPolicy,
    event::{EndReason, EventKind, TokenClass},
    keys::{Algorithm, RefreshKey, SigningKey},
    store::SessionStore,
};

use crate::support::{
    Browser, ManualClock, Op, World,
    browser::{ACCESS, REFRESH, generation, set_cookie},
    probe::{
        ACCESS_LIFETIME, DAMPING, GRACE, MILLISECOND, alter_row, as_navigation, carries_nothing,
        expired_browser, poll_until_stuck, refresh, session_of, with_bearer, with_refresh,
    },
    world::SECRET,
};

/// Two servers on one store, the second one's clock `skew` ahead.
fn two_servers(skew: Duration) -> (World, World) {
    let first = World::new();
    let clock = ManualClock::new();
    clock.advance(skew);
    let second = World::on(clock, first.store.clone(), |builder| builder);
    (first, second)
}

fn advance(worlds: [&World; 2], by: Duration) {
    worlds.iter().for_each(|world| world.clock.advance(by));
}

#[tokio::test]
async fn a_browser_bounces_between_two_servers_whose_clocks_differ() {
    for skew in [Duration::ZERO, GRACE, DAMPING, Duration::from_secs(300)] {
        let (first, second) = two_servers(skew);
        let mut browser = Browser::logged_in(&first, "alice").await;
        for round in 0..40 {
            let server = if round % 2 == 0 { &second } else { &first };
            advance([&first, &second], ACCESS_LIFETIME);
            browser.drop_access();
            let response = browser.get(server, "/me").await;
            assert_eq!(response.status(), 200, "{skew:?} {round}");
            assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), round + 1);
        }
    }
}

#[tokio::test]
async fn a_burst_spreads_over_two_servers_and_gets_one_successor() {
    for skew in [Duration::ZERO, GRACE / 2, GRACE] {
        let (first, second) = two_servers(skew);
        let (mut browser, session) = expired_browser(&first, "alice").await;
        second.clock.advance(ACCESS_LIFETIME);
        let stale = browser.clone();
        let token = set_cookie(&browser.get(&first, "/me").await, REFRESH).unwrap();

        for server in [&second, &first, &second] {
            let response = server.send(stale.request("/me")).await;
            assert_eq!(set_cookie(&response, REFRESH).as_ref(), Some(&token), "{skew:?}");
        }
        let row = first.store.row(session).await.unwrap();
        assert_eq!((row.generation, row.ended, row.late_budget.as_millis()), (1, None, 0));
    }
}

#[tokio::test]
async fn a_server_whose_clock_is_behind_makes_up_for_a_lost_response() {
    let (behind, ahead) = two_servers(Duration::from_secs(3600));
    let mut browser = Browser::logged_in(&behind, "alice").await;
    advance([&behind, &ahead], ACCESS_LIFETIME);
    ahead.send(browser.request("/me")).await;
    behind.take_events();

    let response = browser.get(&behind, "/me").await;

    assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1);
    assert_eq!(behind.take_events(), [EventKind::Refresh(TokenClass::Previous)]);
}

#[tokio::test]
async fn a_clock_that_goes_back_neither_rotates_nor_logs_out_nor_ages_the_row() {
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;
    let old = browser.clone();
    browser.get(&world, "/me").await;
    let before = world.store.row(session).await.unwrap();
    world.clock.set(before.rotated_at.saturating_sub(Duration::from_secs(3600)));

    assert_eq!(world.send(old.request("/me")).await.status(), 200);
    browser.drop_access();
    let response = browser.get(&world, "/me").await;

    assert_eq!(response.status(), 200);
    assert_eq!(set_cookie(&response, REFRESH), None);
    assert!(set_cookie(&response, ACCESS).is_some());
    let after = world.store.row(session).await.unwrap();
    assert_eq!((after.generation, after.rotated_at), (1, before.rotated_at));
    world.clock.set(before.rotated_at);
    refresh(&world, &mut browser).await;
}

#[tokio::test]
async fn a_session_that_one_server_ended_is_refreshed_by_no_other() {
    let (first, second) = two_servers(Duration::ZERO);
    let mut browser = Browser::logged_in(&first, "alice").await;
    let access = browser.access().unwrap().to_owned();
    let refresh = browser.refresh().unwrap().to_owned();
    assert_eq!(browser.get(&first, "/logout").await.status(), 200);

    assert_eq!(second.send(with_refresh("/me", &refresh)).await.status(), 401);
    // A server that has seen the session's end also rejects its access tokens.
    assert_eq!(second.send(with_bearer("/me", &access)).await.status(), 401);
}

#[tokio::test]
async fn a_rotation_that_the_store_lost_is_restored() {
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;
    browser.get(&world, "/me").await;
    alter_row(&world, session, |row| row.generation -= 1).await;
    browser.drop_access();
    world.clock.advance(DAMPING);
    world.take_events();

    let response = browser.get(&world, "/me").await;

    assert_eq!((response.status().as_u16(), response.body().as_ref()), (200, b"alice".as_slice()));
    assert!(set_cookie(&response, ACCESS).is_some());
    assert_eq!(set_cookie(&response, REFRESH), None);
    let row = world.store.row(session).await.unwrap();
    assert_eq!((row.generation, row.confirmed, row.rotated_at), (1, true, world.clock.now()));
    assert_eq!(world.take_events(), [EventKind::Ahead, EventKind::Refresh(TokenClass::Current)]);

    let response = refresh(&world, &mut browser).await;
    assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 2);
}

#[tokio::test]
async fn a_tab_with_the_token_before_the_lost_write_goes_on_for_the_grace_period() {
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;
    let tab = browser.clone();
    browser.get(&world, "/me").await;
    alter_row(&world, session, |row| row.generation -= 1).await;
    browser.drop_access();
    browser.get(&world, "/me").await;
    world.clock.advance(GRACE);

    let response = world.send(tab.request("/me")).await;

    assert_eq!(set_cookie(&response, REFRESH).as_deref(), browser.refresh());
}

#[tokio::test]
async fn two_servers_restore_a_lost_rotation_together() {
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;
    browser.get(&world, "/me").await;
    alter_row(&world, session, |row| row.generation -= 1).await;
    browser.drop_access();
    world.take_events();
    world.store.hold(Op::Swap);
    let mut request = Box::pin(world.send(browser.request("/me")));
    assert!(poll_until_stuck(&mut request).is_pending());
    alter_row(&world, session, |row| row.generation += 1).await;
    world.store.let_through(Op::Swap);

    let response = request.await;

    assert_eq!(response.status(), 200);
    assert_eq!(world.store.row(session).await.unwrap().generation, 1);
    assert_eq!(world.take_events(), [EventKind::Refresh(TokenClass::Current)]);
}

#[tokio::test]
async fn a_store_that_lost_several_writes_is_left_unchanged_and_so_are_the_cookies() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    for _ in 0..2 {
        refresh(&world, &mut browser).await;
    }
    let session = session_of(&browser);
    alter_row(&world, session, |row| row.generation = 0).await;
    let row = world.store.row(session).await;
    world.take_events();
    browser.drop_access();
    let request = as_navigation(browser.request("/me"));

    let response = world.send(request).await;

    assert_eq!(response.status(), 401);
    assert!(carries_nothing(&response));
    assert_eq!(world.store.row(session).await, row);
    assert_eq!(world.take_events(), [EventKind::Impossible]);
    assert_eq!(browser.get(&world, "/optional").await.body(), "-");

    alter_row(&world, session, |row| row.generation = 2).await;
    assert_eq!(browser.get(&world, "/me").await.body(), "alice");
}

fn key(secret: u8) -> SigningKey {
    SigningKey::from_secret(Algorithm::Hs256, [secret; 32]).unwrap()
}

#[tokio::test]
async fn sessions_survive_a_change_of_keys() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    let old_access = browser.access().unwrap().to_owned();
    let mut idle = Browser::logged_in(&world, "bob").await;
    world.store.take_calls();

    world
        .auth
        .rotate_keys(KeyRing::new(key(1)).retire(SigningKey::from_secret(Algorithm::Hs256, SECRET).unwrap()))
        .unwrap();

    assert_eq!(browser.get(&world, "/me").await.body(), "alice");
    assert_eq!(world.store.take_calls(), []);
    let response = refresh(&world, &mut browser).await;
    assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1);
    let kid = |access: &str| access.split('.').next().unwrap().to_owned();
    assert_ne!(kid(browser.access().unwrap()), kid(&old_access));

    // The old key is removed too early for bob.
    world.auth.rotate_keys(KeyRing::new(key(1))).unwrap();
    world.store.take_calls();
    let response = idle.get(&world, "/optional").await;
    assert_eq!(response.body(), "-");
    assert!(carries_nothing(&response));
    assert_eq!(world.store.take_calls(), []);
    refresh(&world, &mut browser).await;
}

#[tokio::test]
async fn servers_change_their_keys_one_by_one_and_no_browser_notices() {
    let (first, second) = two_servers(Duration::ZERO);
    let mut browser = Browser::logged_in(&first, "alice").await;
    let old = || SigningKey::from_secret(Algorithm::Hs256, SECRET).unwrap();
    let ring = |step| match step {
        0 => KeyRing::new(old())
            .accept(key(1).verifying_key())
            .accept_refresh_key(RefreshKey::derive(&key(1)).unwrap()),
        1 => KeyRing::new(key(1)).retire(old()),
        _ => KeyRing::new(key(1)),
    };
    for step in 0..3 {
        for changed in [&first, &second] {
            changed.auth.rotate_keys(ring(step)).unwrap();
            for server in [&first, &second, &first] {
                assert_eq!(browser.get(server, "/me").await.body(), "alice", "{step}");
                advance([&first, &second], ACCESS_LIFETIME);
                assert_eq!(browser.get(server, "/me").await.body(), "alice", "{step}");
            }
        }
    }
}

#[tokio::test]
async fn a_change_of_keys_in_the_middle_of_a_request_is_not_noticed() {
    let world = World::new();
    let (mut browser, _) = expired_browser(&world, "alice").await;
    world.store.hold(Op::Swap);
    let mut request = Box::pin(world.send(browser.request("/me")));
    assert!(poll_until_stuck(&mut request).is_pending());
    world
        .auth
        .rotate_keys(KeyRing::new(key(1)).retire(SigningKey::from_secret(Algorithm::Hs256, SECRET).unwrap()))
        .unwrap();
    world.store.let_through(Op::Swap);

    browser.keep(request.await.headers());

    assert_eq!(browser.get(&world, "/me").await.body(), "alice");
    refresh(&world, &mut browser).await;
}

#[tokio::test]
async fn a_server_with_another_policy_shortens_the_life_of_access_tokens_at_once() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    let mut policy = RotationPolicy::balanced();
    policy.access_lifetime = Duration::from_secs(60);
    let clock = world.clock.clone();
    let stricter = World::on(clock, world.store.clone(), |builder| builder.policy(policy));
    world.clock.advance(Duration::from_secs(61));
    world.store.take_calls();

    assert_eq!(browser.get(&stricter, "/me").await.status(), 200);
    assert_eq!(world.store.take_calls(), [(Op::Load, 1), (Op::Swap, 1)]);
}

#[tokio::test]
async fn a_session_without_a_row_is_anonymous_and_no_cookie_is_removed() {
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;
    world.store.inner.end(session, EndReason::Revoked, world.clock.now(), 1).await.unwrap();
    let later = world.clock.now().saturating_add(MILLISECOND);
    assert_eq!(world.store.inner.purge_dead(later).await.unwrap(), 1);

    let response = browser.get(&world, "/me").await;

    assert_eq!(response.status(), 401);
    assert!(carries_nothing(&response));
}
