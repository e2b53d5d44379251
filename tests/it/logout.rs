//! Logout: which sessions end, which cookies are removed, and what the store keeps.

use bytes::Bytes;
use http::{Request, Response};
use tower_refresh::{
    RejectionKind, Session, SessionHandle,
    event::{EndReason, EventKind},
};

use crate::support::{
    Browser, Claims, Op, World,
    browser::{ACCESS, REFRESH, set_cookies},
    probe::{
        ACCESS_LIFETIME, DAY, alter_row, as_navigation, carries_nothing, expired_browser, refresh,
        session_of, with_bearer, with_refresh,
    },
    request,
    store::Fault,
};

/// Whether both cookies are removed, the refresh cookie last, and no other cookie is set.
fn is_removal(response: &Response<Bytes>) -> bool {
    let headers: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    set_cookies(response.headers()) == [(ACCESS.to_owned(), None), (REFRESH.to_owned(), None)]
        && !response.headers().contains_key("x-access-token")
        && response.headers()["cache-control"] == "private, no-store"
        && headers.iter().all(|header| {
            let header = header.to_str().unwrap();
            ["Max-Age=0", "HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Expires=Thu, 01 Jan 1970"]
                .iter()
                .all(|attribute| header.contains(attribute))
        })
}

async fn end_reason(world: &World, session: SessionHandle) -> Option<EndReason> {
    Some(world.store.row(session).await.unwrap().ended?.reason)
}

#[tokio::test]
async fn refresh_tokens_of_two_sessions_authenticate_no_user_but_a_logout_or_a_login_ends_both() {
    for (path, reason) in [("/logout", EndReason::Logout), ("/login/alice", EndReason::Superseded)] {
        let world = World::new();
        let (one, first) = expired_browser(&world, "alice").await;
        let (other, second) = expired_browser(&world, "bob").await;
        let cookies = format!("{REFRESH}={}; {REFRESH}={}", one.refresh().unwrap(), other.refresh().unwrap());
        let with_both = |path| request(path, &[("cookie", cookies.as_str())]);

        assert_eq!(world.send(with_both("/optional")).await.body(), "-");
        assert_eq!(world.send(with_both(path)).await.status(), 200);

        assert_eq!(end_reason(&world, first).await, Some(reason), "{path}");
        assert_eq!(end_reason(&world, second).await, Some(reason), "{path}");
    }
}

/// The browser may already have the cookies of a newer login when this response arrives.
#[tokio::test]
async fn a_navigation_with_the_tokens_that_a_login_replaced_removes_no_cookies() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    let sent_before = browser.request("/optional");
    let refresh_only = with_refresh("/optional", browser.refresh().unwrap());
    browser.get(&world, "/login/alice").await;

    for navigation in [sent_before, refresh_only] {
        let response = world.send(as_navigation(navigation)).await;
        assert_eq!(response.body(), "-");
        assert!(carries_nothing(&response), "{response:?}");
    }
    assert_eq!(world.send(browser.request("/me")).await.body(), "alice");
}

#[tokio::test]
async fn a_navigation_with_the_tokens_of_an_ended_or_expired_session_removes_them() {
    for expires in [false, true] {
        let world = World::new();
        let browser = Browser::logged_in(&world, "alice").await;
        if expires {
            world.clock.advance(7 * DAY);
        } else {
            world.auth.end_session(session_of(&browser)).await.unwrap();
        }
        assert!(is_removal(&world.send(as_navigation(browser.request("/optional"))).await), "{expires}");
        assert!(carries_nothing(&world.send(browser.request("/optional")).await), "no navigation");
    }
}

#[tokio::test]
async fn a_logout_in_a_request_that_was_refreshed_sets_nothing_and_removes_both_cookies() {
    let world = World::new();
    let (browser, session) = expired_browser(&world, "alice").await;

    let response = world.send(browser.request("/logout")).await;

    assert_eq!(response.status(), 200);
    assert!(is_removal(&response), "{response:?}");
    let row = world.store.row(session).await.unwrap();
    assert_eq!((row.generation, row.ended.unwrap().reason), (0, EndReason::Logout));
    assert_eq!(world.take_events(), [EventKind::End(EndReason::Logout)]);
    assert_eq!(world.store.take_calls(), [(Op::Load, 1), (Op::End, 1)]);
    assert_eq!(world.send(browser.request("/optional")).await.body(), "-");
}

#[tokio::test]
async fn a_logout_with_a_valid_access_token_ends_the_session_in_one_call() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    let captured = browser.clone();
    world.store.take_calls();

    let response = browser.get(&world, "/logout").await;

    assert!(is_removal(&response), "{response:?}");
    assert_eq!(world.store.take_calls(), [(Op::End, 1)]);
    assert!(browser.cookies.is_empty());
    assert_eq!(world.send(captured.request("/optional")).await.body(), "-");
    assert_eq!(world.send(with_bearer("/optional", captured.access().unwrap())).await.status(), 401);
    assert_eq!(world.send(with_refresh("/me", captured.refresh().unwrap())).await.status(), 401);
}

#[tokio::test]
async fn a_logout_ends_the_session_that_the_refresh_token_names_whatever_its_generation() {
    for rotations in 0..4 {
        let world = World::new();
        let mut browser = Browser::logged_in(&world, "alice").await;
        let old = browser.refresh().unwrap().to_owned();
        for _ in 0..rotations {
            refresh(&world, &mut browser).await;
        }

        let response = world.send(with_refresh("/logout", &old)).await;

        assert_eq!(response.status(), 200);
        assert!(is_removal(&response), "{rotations}");
        let reason = if rotations < 2 { EndReason::Logout } else { EndReason::Reuse };
        assert_eq!(end_reason(&world, session_of(&browser)).await, Some(reason));
        assert_eq!(browser.get(&world, "/me").await.status(), 401);
    }
}

#[tokio::test]
async fn a_logout_with_a_refresh_token_far_ahead_of_the_store_ends_its_session() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    for _ in 0..2 {
        refresh(&world, &mut browser).await;
    }
    let session = session_of(&browser);
    alter_row(&world, session, |row| row.generation = 0).await;

    let response = world.send(with_refresh("/logout", browser.refresh().unwrap())).await;

    assert!(is_removal(&response));
    assert_eq!(end_reason(&world, session).await, Some(EndReason::Logout));
}

#[tokio::test]
async fn a_logout_with_an_expired_refresh_token_removes_the_cookies() {
    for unused in [8 * DAY, 31 * DAY] {
        let world = World::new();
        let browser = Browser::logged_in(&world, "alice").await;
        world.clock.advance(unused);
        let response = world.send(browser.request("/logout")).await;
        assert_eq!(response.status(), 200);
        assert!(is_removal(&response));
        assert_eq!(end_reason(&world, session_of(&browser)).await, Some(EndReason::Logout));
    }
}

#[tokio::test]
async fn a_logout_with_a_bearer_header_alone_ends_its_session() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;

    let response = world.send(with_bearer("/logout", browser.access().unwrap())).await;

    assert!(is_removal(&response));
    assert_eq!(end_reason(&world, session_of(&browser)).await, Some(EndReason::Logout));
}

#[tokio::test]
async fn a_logout_ends_the_access_tokens_session_and_the_refresh_tokens() {
    let world = World::new();
    let first = Browser::logged_in(&world, "alice").await;
    let second = Browser::logged_in(&world, "bob").await;
    let mut request = with_bearer("/logout", first.access().unwrap());
    let cookie = format!("{REFRESH}={}", second.refresh().unwrap());
    request.headers_mut().insert("cookie", cookie.parse().unwrap());

    assert!(is_removal(&world.send(request).await));

    for browser in [first, second] {
        assert_eq!(end_reason(&world, session_of(&browser)).await, Some(EndReason::Logout));
    }
}

#[tokio::test]
async fn an_anonymous_logout_removes_cookies_and_does_not_call_the_store() {
    let world = World::new();
    for cookie in [None, Some("__Host-refresh=garbage; __Host-access=garbage")] {
        let headers: Vec<_> = cookie.map(|cookie| ("cookie", cookie)).into_iter().collect();
        let response = world.send(crate::support::request("/logout", &headers)).await;
        assert_eq!(response.status(), 200);
        assert!(is_removal(&response));
        assert_eq!(world.store.take_calls(), []);
    }
}

#[tokio::test]
async fn a_logout_that_fails_in_the_store_keeps_the_cookies_for_another_attempt() {
    for fault in [Fault::Fails, Fault::FailsAfterwards, Fault::Panics] {
        for expired in [false, true] {
            let world = World::new();
            let mut browser = Browser::logged_in(&world, "alice").await;
            if expired {
                world.clock.advance(ACCESS_LIFETIME);
            }
            world.store.break_op(Op::End, fault);

            let response = world.send(browser.request("/logout")).await;
            assert_eq!(response.status(), 503, "{fault:?}");
            assert!(set_cookies(response.headers()).iter().all(|(_, value)| value.is_some()), "{fault:?}");
            browser.keep(response.headers());

            world.store.fix();
            assert!(is_removal(&browser.get(&world, "/logout").await));
        }
    }
}

#[tokio::test]
async fn a_logout_works_while_the_store_can_only_end_sessions() {
    let world = World::new();
    let (browser, session) = expired_browser(&world, "alice").await;
    world.store.break_op(Op::Load, Fault::Fails);

    assert!(is_removal(&world.send(browser.request("/logout")).await));

    assert_eq!(end_reason(&world, session).await, Some(EndReason::Logout));
}

#[tokio::test]
async fn a_logout_everywhere_ends_every_session_of_the_user_and_of_no_other_user() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    let others = [Browser::logged_in(&world, "alice").await, Browser::logged_in(&world, "alice").await];
    let stranger = Browser::logged_in(&world, "bob").await;
    world.take_events();

    let response = browser.get(&world, "/logout-everywhere").await;

    assert_eq!((response.status().as_u16(), response.body().as_ref()), (200, b"3".as_slice()));
    assert!(is_removal(&response));
    for other in &others {
        assert_eq!(world.send(other.request("/optional")).await.body(), "-");
        assert_eq!(world.send(with_refresh("/optional", other.refresh().unwrap())).await.body(), "-");
    }
    assert_eq!(world.send(stranger.request("/me")).await.body(), "bob");
    assert_eq!(world.take_events(), [EventKind::End(EndReason::Logout); 3]);
}

#[tokio::test]
async fn a_logout_of_the_others_keeps_this_session() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    let other = Browser::logged_in(&world, "alice").await;

    let response = browser.get(&world, "/logout-others").await;

    assert_eq!(response.body(), "1");
    assert!(carries_nothing(&response));
    assert_eq!(world.send(other.request("/optional")).await.body(), "-");
    assert_eq!(browser.get(&world, "/me").await.body(), "alice");
    refresh(&world, &mut browser).await;
}

#[tokio::test]
async fn a_logout_of_the_others_in_a_request_that_was_refreshed_keeps_the_refresh() {
    let world = World::new();
    let other = Browser::logged_in(&world, "alice").await;
    let (mut browser, _) = expired_browser(&world, "alice").await;

    let response = browser.get(&world, "/logout-others").await;

    assert_eq!(response.body(), "1");
    assert_eq!(set_cookies(response.headers()).len(), 2);
    assert_eq!(browser.get(&world, "/me").await.body(), "alice");
    assert_eq!(world.send(other.request("/optional")).await.body(), "-");
}

#[tokio::test]
async fn an_anonymous_request_cannot_log_out_everywhere_or_the_others() {
    let world = World::new();
    for path in ["/logout-everywhere", "/logout-others"] {
        assert_eq!(world.send(crate::support::request(path, &[])).await.status(), 401);
    }
    assert_eq!(world.store.take_calls(), []);
}

/// A handler that ends `session` from the list.
async fn end(world: &World, browser: &Browser, session: SessionHandle) -> Response<Bytes> {
    let handler = move |request: Request<()>| async move {
        let (request, ()) = request.into_parts();
        let sessions = Session::<Claims>::from_extensions(&request.extensions).unwrap();
        match sessions.end(session).await {
            Ok(()) => Response::new(Bytes::new()),
            Err(rejection) => rejection.to_response(&request),
        }
    };
    world.send_to(handler, browser.request("/")).await
}

#[tokio::test]
async fn ending_the_current_session_from_the_list_removes_its_cookies() {
    for expired in [false, true] {
        let world = World::new();
        let browser = Browser::logged_in(&world, "alice").await;
        if expired {
            world.clock.advance(ACCESS_LIFETIME);
        }
        let response = end(&world, &browser, session_of(&browser)).await;
        assert!(is_removal(&response), "{response:?}");
        assert_eq!(world.send(browser.request("/optional")).await.body(), "-");
    }
}

#[tokio::test]
async fn ending_another_session_from_the_list_leaves_this_one_alone() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    let other = Browser::logged_in(&world, "alice").await;

    let response = end(&world, &browser, session_of(&other)).await;

    assert!(response.status() == 200 && carries_nothing(&response));
    assert_eq!(world.send(other.request("/optional")).await.body(), "-");
    assert_eq!(browser.get(&world, "/me").await.body(), "alice");
}

#[tokio::test]
async fn sessions_of_other_users_and_dead_sessions_are_not_found() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let stranger = Browser::logged_in(&world, "bob").await;
    let dead = Browser::logged_in(&world, "alice").await;
    world.send(dead.request("/logout")).await;
    world.take_events();

    for session in [session_of(&stranger), session_of(&dead), SessionHandle::from_bytes([7; 16])] {
        let response = end(&world, &browser, session).await;
        assert_eq!(response.status(), 404);
        let rejection = response.extensions().get::<tower_refresh::Rejection>().unwrap();
        assert_eq!(*rejection.kind(), RejectionKind::SessionNotFound);
    }
    assert_eq!(world.send(stranger.request("/me")).await.body(), "bob");
    assert_eq!(world.take_events(), []);
}

#[tokio::test]
async fn auth_ends_sessions_outside_of_requests() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let session = session_of(&browser);
    world.take_events();

    assert!(world.auth.end_session(session).await.unwrap());
    assert!(!world.auth.end_session(session).await.unwrap());
    assert!(!world.auth.end_session(SessionHandle::from_bytes([7; 16])).await.unwrap());

    assert_eq!(end_reason(&world, session).await, Some(EndReason::Revoked));
    assert_eq!(world.take_events(), [EventKind::End(EndReason::Revoked)]);
    assert_eq!(world.send(browser.request("/optional")).await.body(), "-");
    assert_eq!(world.send(with_bearer("/me", browser.access().unwrap())).await.status(), 401);
}

#[tokio::test]
async fn auth_ends_and_lists_all_sessions_of_a_subject() {
    let world = World::new();
    let mut browsers = Vec::new();
    for subject in ["alice", "bob", "alice"] {
        browsers.push(Browser::logged_in(&world, subject).await);
        world.clock.advance(std::time::Duration::from_secs(1));
    }
    let listed = world.auth.sessions("alice", None).await.unwrap();
    let handles: Vec<_> = listed.iter().map(|info| info.handle()).collect();
    assert_eq!(handles, [session_of(&browsers[2]), session_of(&browsers[0])]);
    assert!(listed.iter().all(|info| info.label() == Some("test")));

    assert_eq!(world.auth.end_subject("alice").await.unwrap(), 2);
    assert_eq!(world.auth.end_subject("alice").await.unwrap(), 0);

    assert!(world.auth.sessions("alice", None).await.unwrap().is_empty());
    for (browser, expected) in browsers.iter().zip(["-", "bob", "-"]) {
        assert_eq!(world.send(browser.request("/optional")).await.body(), expected);
    }
}

#[tokio::test]
async fn sessions_that_died_a_day_ago_are_purged_and_no_others() {
    let world = World::new();
    let ended = Browser::logged_in(&world, "alice").await;
    let idle = Browser::logged_in(&world, "alice").await;
    let mut live = Browser::logged_in(&world, "alice").await;
    world.send(ended.request("/logout")).await;

    world.clock.advance(DAY);
    assert_eq!(world.auth.purge_dead().await.unwrap(), 0);
    world.clock.advance(DAY);
    assert_eq!(world.auth.purge_dead().await.unwrap(), 1);
    assert_eq!(world.store.row(session_of(&ended)).await, None);
    refresh(&world, &mut live).await;
    world.clock.advance(6 * DAY + DAY / 2);
    assert_eq!(world.auth.purge_dead().await.unwrap(), 1);
    assert_eq!(world.store.row(session_of(&idle)).await, None);
    assert_eq!(live.get(&world, "/me").await.body(), "alice");
}

/// The number of sessions on the denylist, as `Debug` shows it.
fn denied(world: &World) -> String {
    let shown = format!("{:?}", world.auth);
    shown.split("Denylist { entries: ").nth(1).unwrap().split([' ', ',']).next().unwrap().to_owned()
}

#[tokio::test]
async fn the_denylist_removes_old_sessions_by_itself() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let other = Browser::logged_in(&world, "bob").await;
    assert_eq!(denied(&world), "0");
    world.auth.end_session(session_of(&browser)).await.unwrap();
    world.auth.end_session(session_of(&browser)).await.unwrap();
    assert_eq!(denied(&world), "1");

    let mut elapsed = 0;
    let mut at = |millis: u64| {
        world.clock.advance(std::time::Duration::from_millis(millis - elapsed));
        elapsed = millis;
    };
    for millis in [0, 1000, 500_000, 719_999] {
        at(millis);
        let response = world.send(with_bearer("/optional", browser.access().unwrap())).await;
        assert_eq!(response.status(), 401);
        world.send(other.request("/me")).await;
        assert_eq!(denied(&world), "1", "{millis}");
    }
    at(720_000);
    assert_eq!(world.send(other.request("/me")).await.body(), "bob");
    assert_eq!(denied(&world), "0");
    assert_eq!(world.send(browser.request("/optional")).await.body(), "-");
}

#[tokio::test]
async fn presenting_a_token_of_an_ended_session_does_not_prolong_its_denial() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let other = Browser::logged_in(&world, "bob").await;
    world.auth.end_session(session_of(&browser)).await.unwrap();
    world.clock.advance(ACCESS_LIFETIME);
    assert_eq!(world.send(browser.request("/optional")).await.body(), "-");
    assert_eq!(denied(&world), "1");

    world.clock.advance(std::time::Duration::from_secs(120));
    assert_eq!(world.send(other.request("/me")).await.body(), "bob");

    assert_eq!(denied(&world), "0");
}

#[tokio::test]
async fn a_valid_access_token_does_not_call_the_store_whatever_else_is_sent() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let stranger = Browser::logged_in(&world, "bob").await;
    let dead = Browser::logged_in(&world, "bob").await;
    world.send(dead.request("/logout")).await;
    world.store.take_calls();
    let access = browser.access().unwrap();
    let refresh_tokens =
        [browser.refresh().unwrap(), stranger.refresh().unwrap(), dead.refresh().unwrap(), "x"];
    for refresh in refresh_tokens {
        let cookies = format!("{ACCESS}={access}; {REFRESH}={refresh}");
        assert_eq!(world.send(crate::support::request("/me", &[("cookie", &cookies)])).await.body(), "alice");
        let cookies = format!("{REFRESH}={refresh}");
        let headers = [("authorization", &*format!("Bearer {access}")), ("cookie", &cookies)];
        assert_eq!(world.send(crate::support::request("/me", &headers)).await.body(), "alice");
    }
    assert_eq!(world.send(with_bearer("/me", dead.access().unwrap())).await.status(), 401);
    assert_eq!(world.store.take_calls(), []);
}

#[tokio::test]
async fn a_logout_with_an_expired_bearer_header_alone_ends_its_session() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let access = browser.access().unwrap();
    let session = crate::support::mint::session(access);
    world.clock.advance(ACCESS_LIFETIME);
    let bearer = format!("Bearer {access}");
    let response = world.send(crate::support::request("/logout", &[("authorization", &bearer)])).await;
    assert_eq!(response.status(), 200);
    assert_eq!(end_reason(&world, session).await, Some(EndReason::Logout));
}
