//! One request after the role was taken away, with each access token.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tower_refresh::event::{EventKind, TokenClass};

use super::{demote_at_once, new_access, says, says_user, scope_of, world_of_an_administrator};
use crate::support::{
    Browser, Op, World,
    browser::{ACCESS, REFRESH, generation, set_cookie},
    probe::{ACCESS_LIFETIME, carries_nothing, session_of},
    request,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Header,
    Cookie,
}

/// The refresh cookie beside the access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refresh {
    Own,
    Absent,
    /// Of another user.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// The remaining role, and a new access token that says so.
    Refreshed,
    Anonymous,
    /// 401 `invalid_token`, as for an expired bearer token.
    Invalid,
    /// Another user, as for an expired access cookie.
    Other,
}

const NEAR_END: Duration = Duration::from_secs(500);

fn send(browser: &Browser, transport: Transport, refresh: Option<&str>) -> Request<()> {
    let access = browser.access().unwrap();
    let (bearer, mut cookies) = (format!("Bearer {access}"), Vec::new());
    if transport == Transport::Cookie {
        cookies.push(format!("{ACCESS}={access}"));
    }
    cookies.extend(refresh.map(|refresh| format!("{REFRESH}={refresh}")));
    let cookies = cookies.join("; ");
    let mut headers = Vec::new();
    if transport == Transport::Header {
        headers.push(("authorization", bearer.as_str()));
    }
    if !cookies.is_empty() {
        headers.push(("cookie", cookies.as_str()));
    }
    request("/optional", &headers)
}

fn outcome(response: &Response<Bytes>) -> Expected {
    match (response.status().as_u16(), response.body().as_ref()) {
        (200, b"user admin") => panic!("the former role: {response:?}"),
        (200, b"user") => Expected::Refreshed,
        (200, b"bob") => Expected::Other,
        (200, b"-") => Expected::Anonymous,
        (401, _) if response.headers()["www-authenticate"].to_str().unwrap().contains("invalid_token") => {
            Expected::Invalid
        }
        _ => panic!("{response:?}"),
    }
}

#[tokio::test]
async fn an_access_token_from_before_counts_as_expired_whatever_its_age_and_place() {
    for (transport, refresh, expected, reason) in [
        (Transport::Cookie, Refresh::Own, Expected::Refreshed, "refreshed in that request"),
        (Transport::Header, Refresh::Own, Expected::Refreshed, "refreshed in that request"),
        (Transport::Cookie, Refresh::Absent, Expected::Anonymous, "as an expired cookie"),
        (Transport::Header, Refresh::Absent, Expected::Invalid, "as an expired bearer token"),
        (
            Transport::Cookie,
            Refresh::Other,
            Expected::Other,
            "an expired cookie is absent: the refresh token decides",
        ),
        (Transport::Header, Refresh::Other, Expected::Invalid, "two users in one request"),
    ] {
        for age in [Duration::ZERO, NEAR_END, ACCESS_LIFETIME] {
            for is_cached in [false, true] {
                let case = format!("{transport:?} {refresh:?} {age:?} {is_cached}: {reason}");
                let (world, browser) = world_of_an_administrator().await;
                world.users.set("bob", "Bob", "bob");
                let bob = Browser::logged_in(&world, "bob").await;
                world.clock.advance(age);
                if is_cached && age < NEAR_END {
                    let before = scope_of(&world, send(&browser, transport, None)).await;
                    assert_eq!(before.body(), "user admin", "{case}");
                }
                demote_at_once(&world).await;
                let refresh = match refresh {
                    Refresh::Own => browser.refresh(),
                    Refresh::Absent => None,
                    Refresh::Other => bob.refresh(),
                };
                world.store.take_calls();

                let response = scope_of(&world, send(&browser, transport, refresh)).await;

                assert_eq!(outcome(&response), expected, "{case}");
                if expected != Expected::Refreshed {
                    assert!(expected == Expected::Other || carries_nothing(&response), "{case}");
                    continue;
                }
                let access = new_access(response.headers()).unwrap();
                assert_eq!(says(&access), says_user(1), "{case}");
                assert_eq!(response.headers().contains_key("x-access-token"), transport == Transport::Header);
                world.store.take_calls();
                let mut next = browser.clone();
                next.cookies.insert(ACCESS.to_owned(), access);
                let response = scope_of(&world, send(&next, transport, None)).await;
                assert_eq!(response.body(), "user", "{case}");
                assert_eq!(world.store.take_calls(), [], "{case}: the new access token is enough");
            }
        }
    }
}

#[tokio::test]
async fn no_session_ends_no_refresh_token_changes_and_no_budget_is_spent() {
    let (world, mut browser) = world_of_an_administrator().await;
    let session = session_of(&browser);
    let before = world.store.row(session).await.unwrap();

    demote_at_once(&world).await;
    let outdated = world.store.row(session).await.unwrap();
    let response = browser.get(&world, "/me").await;

    assert_eq!((outdated.claims_epoch, outdated.generation, outdated.ended), (1, 0, None));
    assert_eq!(
        (outdated.rotated_at, outdated.idle_expiry, outdated.late_budget, outdated.confirmed),
        (before.rotated_at, before.idle_expiry, before.late_budget, before.confirmed),
    );
    assert_eq!(set_cookie(&response, REFRESH), None, "the refresh token is within the damping interval");
    assert_eq!(
        world.take_events(),
        [EventKind::ClaimsOutdated, EventKind::Refresh(TokenClass::Current)],
        "one event for the session, and that of the refresh"
    );
    world.clock.advance(ACCESS_LIFETIME);
    let response = browser.get(&world, "/me").await;
    assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1);
    let row = world.store.row(session).await.unwrap();
    assert_eq!((row.claims_epoch, row.ended), (1, None), "a rotation keeps the epoch");
    assert_eq!(says(browser.access().unwrap()), ("user".to_owned(), 1));
}

#[tokio::test]
async fn requests_of_other_sessions_cost_no_call_more() {
    let (world, _) = world_of_an_administrator().await;
    let bob = Browser::logged_in(&world, "bob").await;
    demote_at_once(&world).await;
    let (loads, _) = (world.users.loads(), world.store.take_calls());

    let response = scope_of(&world, bob.request("/me")).await;

    assert!(carries_nothing(&response));
    assert_eq!((response.body().as_ref(), world.users.loads()), (b"user".as_slice(), loads));
    assert_eq!(world.store.take_calls(), []);
}

#[tokio::test]
async fn a_role_changes_again_and_again() {
    let (world, mut browser) = world_of_an_administrator().await;
    for epoch in 1..=3 {
        let scope = if epoch % 2 == 0 { "user admin" } else { "user" };
        world.users.set("alice", "Alice", scope);
        assert_eq!(world.auth.reload_claims("alice").await.unwrap(), 1);

        let response = scope_of(&world, browser.request("/me")).await;

        browser.keep(response.headers());
        assert_eq!(response.body(), scope);
        assert_eq!(says(browser.access().unwrap()), (scope.to_owned(), epoch));
    }
}

#[tokio::test]
async fn the_access_tokens_of_one_session_are_outdated_and_no_other() {
    let (world, browser) = world_of_an_administrator().await;
    let other = Browser::logged_in(&world, "alice").await;
    world.users.set("alice", "Alice", "user");

    assert!(world.auth.reload_session(session_of(&browser)).await.unwrap());

    assert_eq!(scope_of(&world, browser.request("/me")).await.body(), "user");
    assert_eq!(scope_of(&world, other.request("/me")).await.body(), "user admin", "until its next refresh");
    assert!(world.auth.end_session(session_of(&other)).await.unwrap());
    assert!(!world.auth.reload_session(session_of(&other)).await.unwrap(), "it has ended");
    let response = scope_of(&world, other.request("/optional")).await;
    assert_eq!(response.body(), "-", "the end of a session counts more than its outdated claims");
}

#[tokio::test]
async fn an_ended_session_stays_ended_whether_its_claims_were_outdated_before_or_after() {
    let (world, browser) = world_of_an_administrator().await;
    demote_at_once(&world).await;
    assert!(world.auth.end_session(session_of(&browser)).await.unwrap());
    world.auth.reload_claims("alice").await.unwrap();

    let bearer = send(&browser, Transport::Header, browser.refresh());

    assert_eq!(outcome(&scope_of(&world, bearer).await), Expected::Invalid);
    let cookie = send(&browser, Transport::Cookie, browser.refresh());
    assert_eq!(outcome(&scope_of(&world, cookie).await), Expected::Anonymous);
}

#[tokio::test]
async fn the_notice_lives_as_long_as_access_tokens_from_before_by_either_clock() {
    let (world, browser) = world_of_an_administrator().await;
    demote_at_once(&world).await;
    world.clock.set(tower_refresh::Clock::now(&world.clock).saturating_sub(ACCESS_LIFETIME));
    for minute in 0..25 {
        let response = scope_of(&world, send(&browser, Transport::Header, None)).await;
        assert_eq!(
            outcome(&response),
            Expected::Invalid,
            "after {minute} minutes, with a clock that was set back"
        );
        world.clock.advance(Duration::from_secs(60));
    }
    let _ = Browser::logged_in(&world, "bob").await;
    let bob = Browser::logged_in(&world, "bob").await;
    scope_of(&world, bob.request("/me")).await;
    let shown = format!("{:?}", world.auth);
    assert!(shown.contains("Denylist { entries: 0"), "{shown}");
}

#[tokio::test]
async fn a_navigation_that_another_site_started_shows_the_remaining_role_and_changes_nothing() {
    let (world, browser) = world_of_an_administrator().await;
    demote_at_once(&world).await;
    let row = world.store.row(session_of(&browser)).await;
    let mut request = browser.request("/optional");
    for (name, value) in
        [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]
    {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    world.store.take_calls();

    let response = scope_of(&world, request).await;

    assert_eq!(response.body(), "user");
    assert!(carries_nothing(&response));
    assert_eq!(world.store.take_calls(), [(Op::Load, 1)]);
    assert_eq!(world.store.row(session_of(&browser)).await, row);
}

#[tokio::test]
async fn a_claims_source_that_fails_lets_the_former_role_through_nowhere() {
    let (world, browser) = world_of_an_administrator().await;
    demote_at_once(&world).await;
    world.users.break_loads(Some(crate::support::store::Fault::Fails));

    for transport in [Transport::Header, Transport::Cookie] {
        let response = scope_of(&world, send(&browser, transport, browser.refresh())).await;
        assert_eq!(response.status(), 503, "{transport:?}");
        assert!(carries_nothing(&response), "{transport:?}");
    }
    world.users.break_loads(None);
    assert_eq!(scope_of(&world, browser.request("/me")).await.body(), "user");
}

#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
#[tokio::test]
async fn a_native_client_refreshes_with_its_token_and_has_the_remaining_role() {
    let world = World::new();
    world.users.set("alice", "Alice", "user admin");
    let login = async |request: Request<()>| {
        let session = tower_refresh::Session::<crate::support::Claims>::from_extensions(request.extensions());
        let tokens = session.unwrap().login_native("alice").await.unwrap();
        let body = format!("{} {}", tokens.access_token(), tokens.refresh_token().unwrap());
        Response::new(Bytes::from(body))
    };
    let response = world.send_to(login, request("/", &[])).await;
    let body = String::from_utf8(response.body().to_vec()).unwrap();
    let (access, refresh) = body.split_once(' ').unwrap();
    let bearer = |access: &str| request("/me", &[("authorization", &format!("Bearer {access}"))]);
    assert_eq!(scope_of(&world, bearer(access)).await.body(), "user admin");

    demote_at_once(&world).await;

    assert_eq!(outcome(&scope_of(&world, bearer(access)).await), Expected::Invalid);
    let tokens = world.auth.refresh_native(refresh).await.unwrap();
    assert_eq!(says(tokens.access_token()), says_user(1));
    assert!(tokens.refresh_token().is_none(), "the client keeps the one that it has");
    assert_eq!(scope_of(&world, bearer(tokens.access_token())).await.body(), "user");
}
