//! The `Authorization` header, and the challenges in the responses (RFC 6750).

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header::WWW_AUTHENTICATE};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use tower_refresh::{Authenticated, InvalidTokenReason, Rejection, RejectionKind};

use crate::support::{
    Browser, Claims, World,
    browser::{ACCESS, REFRESH},
    request,
};

/// A GET with these `Authorization` headers.
fn authorized(path: &str, headers: &[&str], cookies: Option<&str>) -> Request<()> {
    let mut request = request(path, &[]);
    for header in headers {
        request.headers_mut().append("authorization", HeaderValue::from_bytes(header.as_bytes()).unwrap());
    }
    if let Some(cookies) = cookies {
        request.headers_mut().append("cookie", cookies.try_into().unwrap());
    }
    request
}

fn kind(response: &Response<Bytes>) -> Option<RejectionKind> {
    response.extensions().get::<Rejection>().map(|rejection| rejection.kind().clone())
}

fn challenge(response: &Response<Bytes>) -> &str {
    let mut headers = response.headers().get_all(WWW_AUTHENTICATE).iter();
    let challenge = headers.next().map_or("", |header| header.to_str().unwrap());
    assert!(headers.next().is_none());
    challenge
}

#[tokio::test]
async fn the_scheme_ignores_case_and_blanks_around_the_token_do_not_matter() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let token = browser.access().unwrap();
    world.store.take_calls();
    for header in [
        "Bearer @",
        "bearer @",
        "BEARER @",
        "bEaReR @",
        "Bearer   @",
        "Bearer\t@",
        "Bearer \t @ \t",
        "Bearer @ ",
        "Bearer @\t",
    ] {
        let response = world.send(authorized("/me", &[&header.replace('@', token)], None)).await;
        assert_eq!(response.body(), "alice", "{header:?}");
    }
    assert_eq!(world.store.take_calls(), []);
}

#[tokio::test]
async fn a_bearer_header_that_is_not_one_token_is_rejected_whatever_the_cookies() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let (token, cookies) = (browser.access().unwrap(), browser.cookie_header());
    world.store.take_calls();
    for header in [
        "Bearer",
        "Bearer ",
        "Bearer \t ",
        "bearer",
        "Bearer @ @",
        "Bearer @, @",
        "Bearer @,Basic eDp5",
        "Bearer \"@\"",
        "Bearer token=@",
        "Bearer access_token=@",
        "Bearer <@>",
        "Bearer Bearer @",
        "Bearer @;q=1",
        "Bearer null",
        "Bearer undefined",
        "Bearer \u{a0}@",
        "Bearer @\u{a0}",
    ] {
        for cookies in [None, Some(&*cookies)] {
            for path in ["/me", "/optional"] {
                let response = world.send(authorized(path, &[&header.replace('@', token)], cookies)).await;
                assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{header:?}");
                let expected = RejectionKind::InvalidToken(InvalidTokenReason::Malformed);
                assert_eq!(kind(&response), Some(expected), "{header:?}");
            }
            let public = world.send(authorized("/public", &[&header.replace('@', token)], cookies)).await;
            assert_eq!(
                (public.status(), &public.body()[..]),
                (StatusCode::OK, b"-".as_slice()),
                "{header:?}"
            );
        }
    }
    assert_eq!(world.store.take_calls(), []);
}

#[tokio::test]
async fn another_scheme_is_no_bearer_header_and_the_cookies_count() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let (token, cookies) = (browser.access().unwrap(), browser.cookie_header());
    for header in [
        "",
        "Basic eDp5",
        "Digest username=\"x\"",
        "DPoP @",
        "Token @",
        "JWT @",
        "@",
        "Bearer@",
        "Bearer:@",
        "Bearer=@",
        "Bearer, @",
        "Bearer\u{a0}@",
        "Bearers @",
        "xBearer @",
        "\"Bearer\" @",
        "Negotiate YII=",
    ] {
        let header = header.replace('@', token);
        let alone = world.send(authorized("/optional", &[&header], None)).await;
        assert_eq!((alone.status(), &alone.body()[..]), (StatusCode::OK, b"-".as_slice()), "{header:?}");
        let me = world.send(authorized("/me", &[&header], None)).await;
        assert_eq!(kind(&me), Some(RejectionKind::Unauthenticated), "{header:?}");
        let with_cookies = world.send(authorized("/me", &[&header], Some(&cookies))).await;
        assert_eq!(with_cookies.body(), "alice", "{header:?}");
    }
}

#[tokio::test]
async fn two_authorization_headers_are_an_invalid_request() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let (bearer, cookies) = (format!("Bearer {}", browser.access().unwrap()), browser.cookie_header());
    world.store.take_calls();
    for headers in [
        [&*bearer, &bearer],
        [&bearer, "Bearer x"],
        ["Basic eDp5", &bearer],
        [&bearer, "Basic eDp5"],
        ["Basic eDp5", "Basic eDp5"],
        ["", &bearer],
        [&bearer, ""],
    ] {
        for cookies in [None, Some(&*cookies)] {
            for path in ["/me", "/optional"] {
                let response = world.send(authorized(path, &headers, cookies)).await;
                assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{headers:?}");
                assert_eq!(kind(&response), Some(RejectionKind::InvalidRequest), "{headers:?}");
                assert!(challenge(&response).contains("error=\"invalid_request\""), "{headers:?}");
            }
            let public = world.send(authorized("/public", &headers, cookies)).await;
            assert_eq!(
                (public.status(), &public.body()[..]),
                (StatusCode::OK, b"-".as_slice()),
                "{headers:?}"
            );
        }
    }
    assert_eq!(world.store.take_calls(), []);
}

#[tokio::test]
async fn a_bearer_header_is_the_only_access_token() {
    let world = World::new();
    let (alice, bob) = (Browser::logged_in(&world, "alice").await, Browser::logged_in(&world, "bob").await);
    let bearer = format!("Bearer {}", alice.access().unwrap());
    let response = world.send(authorized("/me", &[&bearer], Some(&bob.cookie_header()))).await;
    assert_eq!(response.body(), "alice");

    world.clock.advance(Duration::from_secs(600));
    let mut bob_later = bob.clone();
    bob_later.get(&world, "/me").await;
    for cookies in [bob.cookie_header(), bob_later.cookie_header()] {
        let response = world.send(authorized("/me", &[&bearer], Some(&cookies))).await;
        assert_eq!(kind(&response), Some(RejectionKind::InvalidToken(InvalidTokenReason::Expired)));
    }
    let response = world.send(authorized("/me", &[&bearer], Some(&alice.cookie_header()))).await;
    assert_eq!(response.body(), "alice", "its own session refreshes it");
    assert!(response.headers().contains_key("x-access-token"));
}

#[tokio::test]
async fn an_invalid_bearer_header_beside_cookies_names_the_setting_for_platforms_that_add_one() {
    const SETTING: &str = "`access_header(false)`";
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let expired = format!("Bearer {}", browser.access().unwrap());
    let cookies = browser.cookie_header();
    let access_alone = format!("{ACCESS}={}", browser.access().unwrap());
    let refresh_alone = format!("{REFRESH}={}", browser.refresh().unwrap());
    world.clock.advance(Duration::from_secs(600));
    let foreign = "Bearer a.b.c";
    for (bearer, cookies, named, reason) in [
        (foreign, Some(&*cookies), true, "a platform's token keeps the user's cookies from counting"),
        (foreign, Some(&*access_alone), true, "the access cookie alone"),
        (foreign, Some(&*refresh_alone), true, "the refresh cookie alone"),
        (foreign, Some("theme=dark"), false, "cookies of others would not log the user in"),
        (foreign, None, false, "a client without cookies sent an invalid token"),
        (&expired, None, false, "a token of ours, which has expired"),
        (&expired, Some(&*access_alone), false, "a token of ours has its own reason"),
    ] {
        let response = world.send(authorized("/me", &[bearer], cookies)).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{reason}");
        let problem: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(problem["detail"].as_str().unwrap().contains(SETTING), named, "{reason}: {problem}");
        assert!(!challenge(&response).contains(SETTING), "{reason}");
    }

    let world = World::with(|builder| builder.access_header(false));
    let browser = Browser::logged_in(&world, "alice").await;
    let response = world.send(authorized("/me", &[foreign], Some(&browser.cookie_header()))).await;
    assert_eq!(response.body(), "alice", "the setting that the detail names");
}

#[tokio::test]
async fn a_transport_that_is_off_is_not_read() {
    let world = World::with(|builder| builder.access_header(false));
    let browser = Browser::logged_in(&world, "alice").await;
    let (bearer, cookies) = (format!("Bearer {}", browser.access().unwrap()), browser.cookie_header());
    for headers in [&[&*bearer][..], &["Bearer x"], &["Bearer"], &[&bearer, &bearer]] {
        let alone = world.send(authorized("/optional", headers, None)).await;
        assert_eq!((alone.status(), &alone.body()[..]), (StatusCode::OK, b"-".as_slice()), "{headers:?}");
        let with_cookies = world.send(authorized("/me", headers, Some(&cookies))).await;
        assert_eq!(with_cookies.body(), "alice", "{headers:?}");
    }

    let world = World::with(|builder| builder.access_cookie(false));
    let login = world.send(request("/login/alice", &[])).await;
    let mut browser = Browser::new();
    browser.keep(login.headers());
    assert_eq!(browser.cookies.keys().collect::<Vec<_>>(), [REFRESH]);
    let token = login.headers()["x-access-token"].to_str().unwrap();
    assert!(login.headers()["x-access-token"].is_sensitive());
    assert_eq!(login.body(), token);
    let as_cookie = format!("{ACCESS}={token}");
    assert_eq!(world.send(request("/optional", &[("cookie", &as_cookie)])).await.body(), "-");
    let as_header = format!("Bearer {token}");
    assert_eq!(world.send(authorized("/me", &[&as_header], None)).await.body(), "alice");
}

#[tokio::test]
async fn challenges_follow_rfc_6750() {
    const REALM: &str = "Bearer realm=\"https://api.example.com\"";
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let bearer = format!("Bearer {}", browser.access().unwrap());

    let anonymous = world.send(request("/me", &[])).await;
    assert_eq!((anonymous.status(), challenge(&anonymous)), (StatusCode::UNAUTHORIZED, REALM));
    let bad_cookie = world.send(request("/me", &[("cookie", "__Host-access=x.y.z")])).await;
    assert_eq!((bad_cookie.status(), challenge(&bad_cookie)), (StatusCode::UNAUTHORIZED, REALM));

    let forged = world.send(authorized("/me", &["Bearer x.y.z"], None)).await;
    check(&forged, StatusCode::UNAUTHORIZED, "invalid_token", REALM);
    let twice = world.send(authorized("/me", &[&bearer, &bearer], None)).await;
    check(&twice, StatusCode::BAD_REQUEST, "invalid_request", REALM);

    world.auth.end_subject("alice").await.unwrap();
    let revoked = world.send(authorized("/me", &[&bearer], None)).await;
    check(&revoked, StatusCode::UNAUTHORIZED, "invalid_token", REALM);
    assert_eq!(kind(&revoked), Some(RejectionKind::InvalidToken(InvalidTokenReason::Revoked)));

    world.clock.advance(Duration::from_secs(600));
    let expired = world.send(authorized("/me", &[&bearer], None)).await;
    check(&expired, StatusCode::UNAUTHORIZED, "invalid_token", REALM);
    assert_eq!(kind(&expired), Some(RejectionKind::InvalidToken(InvalidTokenReason::Expired)));
    // A client may learn whether the token was invalid or expired, but no more.
    assert_ne!(challenge(&expired), challenge(&forged));
    let wrong = world.send(authorized("/me", &["Bearer YQ.YQ.YQ"], None)).await;
    assert_eq!(challenge(&wrong), challenge(&forged));
}

fn check(response: &Response<Bytes>, status: StatusCode, error: &str, realm: &str) {
    assert_eq!(response.status(), status);
    let challenge = challenge(response);
    let description =
        challenge.strip_prefix(&format!("{realm}, error=\"{error}\", error_description=\"")).unwrap();
    let (description, _) = description.split_once('"').unwrap();
    assert!(!description.is_empty());
    // RFC 6750 §3
    assert!(description.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'));
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(problem["status"], json!(status.as_u16()));
    assert_eq!(problem["error"], json!(error));
    assert_eq!(problem["detail"], json!(description));
}

#[tokio::test]
async fn a_missing_scope_is_named_in_the_challenge() {
    let world = World::new();
    let respond =
        service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(Bytes::from_static(b"secret"))));
    let service = world.auth.layer().layer(world.auth.require_scope("admin").layer(respond));
    for (subject, status) in [("alice", StatusCode::FORBIDDEN), ("admin", StatusCode::OK)] {
        let browser = Browser::logged_in(&world, subject).await;
        let response = service.clone().oneshot(browser.request("/admin")).await.unwrap();
        assert_eq!(response.status(), status);
        if status == StatusCode::FORBIDDEN {
            check(&response, status, "insufficient_scope", "Bearer realm=\"https://api.example.com\"");
            assert!(challenge(&response).ends_with(", scope=\"admin\""));
        }
    }
    let anonymous = service.oneshot(request("/admin", &[])).await.unwrap();
    assert_eq!(kind(&anonymous), Some(RejectionKind::Unauthenticated));
}

#[tokio::test]
async fn a_malformed_scope_is_never_satisfied_and_never_repeated_in_a_challenge() {
    let world = World::new();
    let admin = Browser::logged_in(&world, "admin").await;
    let has = |scope: &'static str| {
        let user = move |request: Request<()>| async move {
            let user = Authenticated::<Claims>::required(request.extensions()).unwrap();
            Response::new(Bytes::from(user.has_scope(scope).to_string()))
        };
        world.send_to(user, admin.request("/"))
    };
    let respond =
        service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(Bytes::from_static(b"secret"))));
    for scope in [
        "",
        " ",
        "user ",
        " user",
        "user  admin",
        "user\tadmin",
        "\"user\"",
        "us\\er",
        "user\r\nadmin",
        "usér",
    ] {
        let service = world.auth.layer().layer(world.auth.require_scope(scope).layer(respond));
        let response = service.oneshot(admin.request("/admin")).await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{scope:?}");
        let challenge = challenge(&response);
        assert!(challenge.contains("error=\"insufficient_scope\""), "{scope:?}: {challenge}");
        assert!(!challenge.contains("scope=\""), "{scope:?}: {challenge}");
        assert_eq!(has(scope).await.body(), "false", "{scope:?}");
    }
    world.users.set("guest", "Guest", "");
    let guest = Browser::logged_in(&world, "guest").await;
    let service = world.auth.layer().layer(world.auth.require_scope("").layer(respond));
    let response = service.oneshot(guest.request("/admin")).await.unwrap();
    assert_eq!(
        response.status(),
        StatusCode::FORBIDDEN,
        "a user without scopes does not have the empty scope"
    );
    for scope in ["user", "admin user", "user admin"] {
        assert_eq!(has(scope).await.body(), "true", "{scope:?}");
    }
}

#[tokio::test]
async fn a_realm_cannot_break_out_of_its_quotes() {
    let world = World::with(|builder| builder.issuer("a \"b\\\" c"));
    let response = world.send(request("/me", &[])).await;
    assert_eq!(challenge(&response), r#"Bearer realm="a \"b\\\" c""#);
}
