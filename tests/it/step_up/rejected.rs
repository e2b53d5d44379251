//! Requests that cannot reauthenticate, and those from other sites that can.

use bytes::Bytes;
use http::{Request, Response};
use tower_refresh::{
    Clock, InvalidTokenReason, ReauthOptions, RejectionKind, Session, Timestamp, event::EndReason,
    store::SessionStore,
};

use super::{assert_rejected, live_sessions, reauthenticate};
use crate::support::{
    Browser, Claims, ManualClock, Op, TestStore, World, mint,
    probe::{ACCESS_LIFETIME, session_of, with_bearer, with_refresh},
    request,
};

#[tokio::test]
async fn a_request_without_a_valid_session_is_rejected_and_creates_none() {
    let world = World::new();
    let alice = Browser::logged_in(&world, "alice").await;
    let ended = Browser::logged_in(&world, "alice").await;
    world.auth.end_session(session_of(&ended)).await.unwrap();
    let invalid = |reason| RejectionKind::InvalidToken(reason);
    let forged = mint::forged_access(alice.access().unwrap());
    let cases = [
        ("no credentials", request("/", &[]), RejectionKind::Unauthenticated),
        ("cookies of a session that has ended", ended.request("/"), RejectionKind::Unauthenticated),
        (
            "a forged refresh token",
            with_refresh("/", &mint::forged_refresh(alice.refresh().unwrap())),
            RejectionKind::Unauthenticated,
        ),
        ("a forged bearer token", with_bearer("/", &forged), invalid(InvalidTokenReason::BadSignature)),
        (
            "a bearer token of a session that has ended",
            with_bearer("/", ended.access().unwrap()),
            invalid(InvalidTokenReason::Revoked),
        ),
    ];
    world.store.take_calls();
    for (case, request, kind) in cases {
        assert_rejected(&reauthenticate(&world, request, ReauthOptions::new()).await, &kind, case);
        assert!(world.store.take_calls().iter().all(|(op, _)| *op == Op::Load), "{case}");
    }
    world.clock.advance(ACCESS_LIFETIME);
    let expired = with_bearer("/", alice.access().unwrap());
    let kind = invalid(InvalidTokenReason::Expired);
    assert_rejected(&reauthenticate(&world, expired, ReauthOptions::new()).await, &kind, "expired");
    assert_eq!(live_sessions(&world, "alice").await.len(), 1);
}

/// Another server has ended the session, or its row is gone, and no feed has reported it.
#[tokio::test]
async fn a_valid_access_token_whose_session_is_not_live_in_the_store_reauthenticates_nothing() {
    for is_gone in [false, true] {
        let store = TestStore::default();
        store.lose_feed();
        let world = World::on(ManualClock::new(), store, |builder| builder);
        let browser = Browser::logged_in(&world, "alice").await;
        let (store, session, now) = (&world.store.inner, session_of(&browser), world.clock.now());
        assert!(store.end(session, EndReason::Logout, now, 7).await.unwrap());
        if is_gone {
            let much_later = Timestamp::from_millis(u64::MAX);
            assert_eq!(store.purge_dead(much_later).await.unwrap(), 1);
        }
        assert_eq!(world.send(browser.request("/me")).await.body(), "alice", "as far as this server knows");
        world.store.take_calls();

        let response = reauthenticate(&world, browser.request("/"), ReauthOptions::new()).await;

        assert_rejected(&response, &RejectionKind::Unauthenticated, "not live");
        assert_eq!(world.store.take_calls(), [(Op::Load, 1)]);
    }
}

#[tokio::test]
async fn another_site_can_navigate_to_a_reauthentication_and_nothing_else() {
    let navigation =
        [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    let fetch =
        [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors"), ("origin", "https://evil.example")];
    let sibling =
        [("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors"), ("origin", "https://b.example.com")];
    for (headers, passes, reason) in [
        (&navigation[..], true, "the callback of an identity provider"),
        (&fetch[..], false, "a script of another site"),
        (&sibling[..], false, "a script of a sibling host"),
    ] {
        for has_bearer in [false, true] {
            let world = World::new();
            let mut browser = Browser::logged_in(&world, "alice").await;
            let mut sent = browser.request("/");
            if has_bearer {
                sent = with_bearer("/", browser.access().unwrap());
            }
            for (name, value) in headers {
                sent.headers_mut().insert(*name, value.parse().unwrap());
            }
            world.store.take_calls();

            let response = reauthenticate(&world, sent, ReauthOptions::new()).await;

            if passes {
                assert_eq!(response.status(), 200, "{reason}: {response:?}");
                browser.keep(response.headers());
            } else {
                assert_rejected(&response, &RejectionKind::CrossSite, reason);
                assert_eq!(world.store.take_calls(), [], "{reason}");
            }
            if !has_bearer {
                assert_eq!(browser.get(&world, "/me").await.body(), "alice", "{reason}");
            }
        }
    }
}

#[tokio::test]
async fn a_user_who_is_gone_is_not_reauthenticated_and_the_session_goes_on_until_its_refresh() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    world.users.remove("alice");
    let response = reauthenticate(&world, browser.request("/"), ReauthOptions::new()).await;
    assert_rejected(&response, &RejectionKind::SubjectGone, "the claims source returns nothing");
    assert_eq!(browser.get(&world, "/me").await.body(), "alice");
    world.users.set("alice", "Alice", "user");
    assert_eq!(live_sessions(&world, "alice").await.len(), 1);
}

#[tokio::test]
async fn after_a_logout_in_the_same_request_there_is_nothing_to_continue() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let handler = |request: Request<()>| async move {
        let session = Session::<Claims>::from_extensions(request.extensions()).unwrap();
        session.logout().await.unwrap();
        let rejection = session.reauthenticate(ReauthOptions::new()).await.unwrap_err();
        assert_eq!(*rejection.kind(), RejectionKind::Unauthenticated);
        Response::new(Bytes::new())
    };
    world.send_to(handler, browser.request("/")).await;
    assert_eq!(live_sessions(&world, "alice").await, []);
}
