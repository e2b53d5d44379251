//! What is done to all sessions of the user while one of them is reauthenticated reaches the one that continues it.

use http::Request;
use tower_refresh::{LoginOptions, ReauthOptions, Session};

use super::{live_sessions, reauthenticate};
use crate::support::{
    Browser, Claims, Op, World, mint,
    probe::{MILLISECOND, carries_nothing, poll_until_stuck, session_of, settle},
};

/// The scope of the user at the next request, as the new access token of its response says.
async fn scope_of(world: &World, browser: &mut Browser) -> serde_json::Value {
    assert_eq!(browser.get(world, "/me").await.status(), 200);
    mint::claims(browser.access().unwrap())["scope"].clone()
}

async fn logged_in_as_administrator() -> (World, Browser) {
    let world = World::new();
    world.users.set("alice", "Alice", "user admin");
    let browser = Browser::logged_in(&world, "alice").await;
    (world, browser)
}

#[tokio::test]
async fn a_role_that_is_taken_away_meanwhile_is_gone_in_the_new_session() {
    for held in [Op::Load, Op::Create, Op::End] {
        let (world, mut browser) = logged_in_as_administrator().await;
        world.store.hold(held);
        let mut slow = Box::pin(reauthenticate(&world, browser.request("/"), ReauthOptions::new()));
        assert!(poll_until_stuck(&mut slow).is_pending());
        settle().await;
        world.users.set("alice", "Alice", "user");
        world.auth.reload_claims("alice").await.unwrap();
        world.store.let_through(held);

        let response = slow.await;

        assert_eq!(response.status(), 200, "{held:?}: {response:?}");
        browser.keep(response.headers());
        assert_eq!(scope_of(&world, &mut browser).await, "user", "{held:?}");
    }
}

/// The list of sessions to reload is from before the new session, and the former one has ended when its turn comes.
#[tokio::test]
async fn a_role_that_is_taken_away_is_gone_in_a_session_that_was_not_listed_yet() {
    let (world, mut browser) = logged_in_as_administrator().await;
    world.store.hold_answer(Op::List);
    world.users.hold_answers();
    let mut slow = Box::pin(reauthenticate(&world, browser.request("/"), ReauthOptions::new()));
    assert!(poll_until_stuck(&mut slow).is_pending());
    world.users.set("alice", "Alice", "user");
    let auth = world.auth.clone();
    let reload = tokio::spawn(async move { auth.reload_claims("alice").await });
    settle().await;
    world.users.let_through();
    let response = slow.await;
    world.store.let_through(Op::List);

    assert_eq!(reload.await.unwrap().unwrap(), 1);

    assert_eq!(response.status(), 200, "{response:?}");
    browser.keep(response.headers());
    assert_eq!(scope_of(&world, &mut browser).await, "user");
}

#[tokio::test]
async fn a_login_that_ends_the_others_ends_a_session_that_was_not_listed_yet() {
    for (max_sessions, ends_others) in [(10, true), (1, false)] {
        let world = World::with(|builder| builder.max_sessions(max_sessions));
        let mut thief = Browser::logged_in(&world, "alice").await;
        world.clock.advance(MILLISECOND);
        world.store.hold_answer(Op::List);
        let login = move |request: Request<()>| async move {
            let options = LoginOptions::new();
            let options = if ends_others { options.end_others() } else { options };
            let session = Session::<Claims>::from_extensions(request.extensions()).unwrap();
            session.login_with("alice", options).await.unwrap();
            http::Response::new(bytes::Bytes::new())
        };
        let owner = tokio::spawn({
            let world = world.clone();
            async move { world.send_to(login, crate::support::request("/", &[])).await }
        });
        settle().await;
        let response = reauthenticate(&world, thief.request("/"), ReauthOptions::new()).await;
        assert_eq!(response.status(), 200, "{response:?}");
        thief.keep(response.headers());
        world.store.let_through(Op::List);

        assert!(!carries_nothing(&owner.await.unwrap()));

        assert_eq!(thief.get(&world, "/me").await.status(), 401, "{ends_others}");
        assert_eq!(live_sessions(&world, "alice").await.len(), 1, "{ends_others}");
    }
}

/// The owner ends a session of the list that goes on under another id meanwhile.
#[tokio::test]
async fn an_end_that_came_too_late_is_no_success() {
    let world = World::new();
    let thief = Browser::logged_in(&world, "alice").await;
    let owner = Browser::logged_in(&world, "alice").await;
    let handle = session_of(&thief);
    let end = move |request: Request<()>| async move {
        let (request, ()) = request.into_parts();
        let session = Session::<Claims>::from_extensions(&request.extensions).unwrap();
        let result = session.end(handle).await;
        result.map_or_else(|rejection| rejection.to_response(&request), |()| http::Response::default())
    };
    world.store.hold(Op::End);
    let spawned = tokio::spawn({
        let (world, request) = (world.clone(), thief.request("/"));
        async move { reauthenticate(&world, request, ReauthOptions::new()).await }
    });
    settle().await;
    let ended = tokio::spawn({
        let (world, request) = (world.clone(), owner.request("/"));
        async move { world.send_to(end, request).await }
    });
    settle().await;
    world.store.let_through(Op::End);

    assert_eq!(spawned.await.unwrap().status(), 200);
    assert_eq!(ended.await.unwrap().status(), 404, "it is in the list under its new handle");
    assert_eq!(live_sessions(&world, "alice").await.len(), 2);
}

#[tokio::test]
async fn a_logout_everywhere_looks_again_for_a_session_that_went_on_under_a_new_id() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let mut thief = Browser::logged_in(&world, "alice").await;
    world.store.overlook_sessions(Op::EndSubject, 1);
    let response = world.send(browser.request("/logout-others")).await;
    assert_eq!(response.status(), 200, "{response:?}");
    assert_eq!(thief.get(&world, "/me").await.status(), 401);
    assert_eq!(live_sessions(&world, "alice").await.len(), 1, "the owner's stays");

    world.store.overlook_sessions(Op::EndSubject, 1);
    assert_eq!(world.auth.end_subject("alice").await.unwrap(), 1);
    assert!(live_sessions(&world, "alice").await.is_empty());
}

#[tokio::test]
async fn a_logout_everywhere_that_is_overtaken_again_and_again_reports_a_failure() {
    let world = World::new();
    Browser::logged_in(&world, "alice").await;
    world.store.overlook_sessions(Op::EndSubject, usize::MAX);
    assert!(world.auth.end_subject("alice").await.is_err());
}
