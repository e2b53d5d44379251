//! `reload_claims`: which sessions it reaches, how many calls that takes, and what is left of it after a failure.

use std::time::Duration;

use tower_refresh::{Clock, SessionHandle, event::EventKind, store::SessionStore};
use tower_refresh_core::SessionRow;

use super::{demote, demote_at_once, new_access, says, scope_of, world_of_an_administrator};
use crate::support::{
    Browser, Op, World,
    probe::{alter_row, poll_until_stuck, session_of, settle, with_bearer},
};

/// `count` more sessions of alice.
async fn add_sessions(world: &World, count: usize) {
    let now = world.clock.now();
    let expiry = now.saturating_add(Duration::from_secs(86_400));
    for number in 0..count {
        let mut bytes = [7; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        let row = SessionRow::new(SessionHandle::from_bytes(bytes), "alice".into(), now, expiry, expiry);
        world.store.inner.create(&row).await.unwrap();
    }
}

#[tokio::test]
async fn every_live_session_of_the_subject_is_reached_page_by_page() {
    for (count, lists, reason) in [
        (0, 1, "its own session alone"),
        (126, 1, "a page that is not full is the last one"),
        (127, 2, "a page that is full may not be the last one"),
        (300, 3, "three pages"),
    ] {
        let (world, browser) = world_of_an_administrator().await;
        let bob = Browser::logged_in(&world, "bob").await;
        add_sessions(&world, count).await;
        world.store.take_calls();
        world.take_events();

        assert_eq!(world.auth.reload_claims("alice").await.unwrap(), count + 1, "{reason}");

        assert_eq!(world.store.take_calls(), [(Op::Outdate, count + 1), (Op::List, lists)], "{reason}");
        assert_eq!(world.take_events(), vec![EventKind::ClaimsOutdated; count + 1], "{reason}");
        assert_eq!(world.store.row(session_of(&browser)).await.unwrap().claims_epoch, 1);
        assert_eq!(world.store.row(session_of(&bob)).await.unwrap().claims_epoch, 0);
        assert_eq!(world.auth.reload_claims("carol").await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_subject_with_very_many_sessions_takes_some_calls_at_a_time() {
    let (world, _) = world_of_an_administrator().await;
    add_sessions(&world, 299).await;
    world.store.hold(Op::Outdate);
    world.store.take_calls();
    let auth = world.auth.clone();
    let reload = tokio::spawn(async move { auth.reload_claims("alice").await });
    settle().await;
    assert_eq!(world.store.take_calls(), [(Op::Outdate, 32), (Op::List, 1)]);

    world.store.let_through(Op::Outdate);

    assert_eq!(reload.await.unwrap().unwrap(), 300);
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn it_completes_although_its_caller_is_gone() {
    let (world, browser) = world_of_an_administrator().await;
    demote(&world);
    world.store.hold(Op::Outdate);
    let auth = world.auth.clone();
    let mut reload = Box::pin(async move { auth.reload_claims("alice").await });
    assert!(poll_until_stuck(&mut reload).is_pending());
    drop(reload);
    world.store.let_through(Op::Outdate);
    settle().await;

    assert_eq!(scope_of(&world, browser.request("/me")).await.body(), "user");
}

#[tokio::test]
async fn a_session_that_has_expired_by_this_clock_alone_is_reached() {
    let (world, browser) = world_of_an_administrator().await;
    let session = session_of(&browser);
    for (late, expected) in [(1, 1), (59, 2), (61, 2)] {
        let expiry = world.clock.now().saturating_sub(Duration::from_secs(late));
        alter_row(&world, session, |row| row.idle_expiry = expiry).await;
        world.auth.reload_claims("alice").await.unwrap();
        let epoch = world.store.row(session).await.unwrap().claims_epoch;
        assert_eq!(epoch, expected, "{late} s after its expiry: another server's clock may be behind");
    }
}

/// A failover lost the write, and access tokens of the epoch are in use.
#[tokio::test]
async fn after_a_lost_write_the_next_change_is_effective_and_so_is_the_former() {
    let (world, mut browser) = world_of_an_administrator().await;
    demote_at_once(&world).await;
    alter_row(&world, session_of(&browser), |row| row.claims_epoch = 0).await;

    let response = scope_of(&world, browser.request("/me")).await;
    assert_eq!(response.body(), "user");
    browser.keep(response.headers());
    let access = browser.access().unwrap().to_owned();
    assert_eq!(says(&access), ("user".to_owned(), 1), "it is loaded after the notice");
    world.store.take_calls();
    assert_eq!(scope_of(&world, with_bearer("/me", &access)).await.body(), "user");
    assert_eq!(world.store.take_calls(), [], "and it counts");

    world.users.set("alice", "Alice", "");
    world.auth.reload_claims("alice").await.unwrap();

    assert_eq!(scope_of(&world, with_bearer("/me", &access)).await.status(), 401);
    let response = scope_of(&world, browser.request("/me")).await;
    assert_eq!(response.body(), "");
    assert!(new_access(response.headers()).is_some());
}
