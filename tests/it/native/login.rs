//! Logins whose refresh token is in the body.

use http::{Method, Request, Response, StatusCode};
use serde_json::json;
use tower_refresh::{
    LoginOptions, RejectionKind, RotationPolicy, Session,
    event::{EndReason, EventKind},
};

use super::client::{Client, FORM, assert_is_not_cached, call, json as body_of, send};
use crate::support::{
    Browser, Claims, Op, World,
    browser::set_cookies,
    mint,
    probe::{carries_nothing, session_of},
    store::Fault,
};

#[tokio::test]
async fn a_native_login_answers_with_all_tokens_in_the_body_and_sets_no_cookie() {
    let world = World::new();
    let response = send(&world, Method::POST, "/token-login/admin", &[], "").await;

    assert_eq!(response.status(), StatusCode::OK);
    assert!(carries_nothing(&response), "{response:?}");
    assert_is_not_cached(&response);
    let tokens = body_of(&response);
    let names: Vec<_> = tokens.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["access_token", "expires_in", "refresh_token", "scope", "token_type"]);
    assert_eq!((&tokens["token_type"], &tokens["scope"]), (&json!("Bearer"), &json!("user admin")));
    let expires_in = tokens["expires_in"].as_u64().unwrap();
    assert!((570..=600).contains(&expires_in), "{expires_in}");
    assert_eq!(tokens["refresh_token"].as_str().unwrap().len(), 58);
    assert_eq!(world.take_events(), [EventKind::Login]);

    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    assert_eq!(send(&world, Method::GET, "/me", &[("authorization", &bearer)], "").await.body(), "admin");
}

#[tokio::test]
async fn an_empty_scope_is_left_out() {
    let world = World::new();
    world.users.set("alice", "Alice", "");
    let tokens = body_of(&send(&world, Method::POST, "/token-login/alice", &[], "").await);
    assert!(tokens.get("scope").is_none(), "{tokens}");
}

#[tokio::test]
async fn the_access_token_is_in_a_native_clients_body_although_pages_have_it_only_in_cookies() {
    let world = World::with(|builder| builder.access_token_in_body(false));
    let mut client = Client::logged_in(&world, "alice").await;
    assert_eq!(client.exchange(&world).await.status(), StatusCode::OK);
    assert_eq!(client.send(&world, Method::GET, "/me").await.body(), "alice");
}

#[tokio::test]
async fn a_client_that_merely_names_a_fetch_mode_is_not_a_browser() {
    // Node's fetch sends `Sec-Fetch-Mode: cors` with every request.
    for headers in
        [&[("sec-fetch-mode", "cors")][..], &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")]]
    {
        let world = World::new();
        let response = send(&world, Method::POST, "/token-login/alice", headers, "").await;
        assert!(body_of(&response)["refresh_token"].is_string(), "{headers:?}");
    }
}

#[tokio::test]
async fn a_browser_never_gets_a_refresh_token_in_a_body() {
    for headers in [
        &[("origin", "https://api.example.com")][..],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "https://trusted.example")],
        &[("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "cross-site"), ("sec-fetch-site", "none")],
    ] {
        let world = World::with(|builder| builder.trusted_origin("https://trusted.example"));
        let response = send(&world, Method::POST, "/token-login/alice", headers, "").await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{headers:?}");
        assert!(!response.body().windows(13).any(|part| part == b"refresh_token"));
        assert_eq!(world.store.take_calls(), [], "{headers:?}");
        let events = world.take_events();
        assert!(matches!(events[..], [EventKind::Rejected(_)]), "{headers:?}: {events:?}");
    }
}

#[tokio::test]
async fn a_native_login_supersedes_the_session_of_the_bearer_token_and_leaves_the_cookies_alone() {
    let world = World::new();
    let old = Client::logged_in(&world, "alice").await;
    let browser = Browser::logged_in(&world, "bob").await;
    world.take_events();
    let (bearer, cookies) = (format!("Bearer {}", old.access), browser.cookie_header());
    for authorization in [Some(bearer.as_str()), None] {
        let mut headers = vec![("cookie", cookies.as_str())];
        headers.extend(authorization.map(|bearer| ("authorization", bearer)));
        let response = send(&world, Method::POST, "/token-login/alice", &headers, "").await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(carries_nothing(&response));
    }
    let superseded = EventKind::End(EndReason::Superseded);
    assert_eq!(world.take_events(), [superseded, EventKind::Login, EventKind::Login]);
    assert_eq!(world.store.row(old.session()).await.unwrap().ended.unwrap().reason, EndReason::Superseded);
    assert!(world.store.row(session_of(&browser)).await.unwrap().ended.is_none());
}

/// The jar's refresh cookie is due, but the login is another session: no cookie of the jar's session goes out.
#[tokio::test]
async fn a_native_login_refreshes_no_cookies() {
    let world = World::new();
    let (browser, session) = crate::support::probe::expired_browser(&world, "bob").await;
    let cookies = browser.cookie_header();
    let response = send(&world, Method::POST, "/token-login/alice", &[("cookie", &cookies)], "").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(carries_nothing(&response), "{response:?}");
    assert_eq!(world.store.row(session).await.unwrap().generation, 0);
}

#[tokio::test]
async fn several_changes_in_one_request_leave_one_session() {
    let world = World::new();
    let handler = |request: Request<()>| async move {
        let session = Session::<Claims>::from_extensions(request.extensions()).unwrap();
        session.login("alice").await.unwrap();
        session.login_native("alice").await.unwrap();
        let tokens = session.login_native("bob").await.unwrap();
        assert_eq!(session.current(), Some(mint::session(tokens.access_token())));
        assert_eq!(session.list(None).await.unwrap().len(), 1);
        // The new session has no refresh cookie.
        assert_eq!(*session.refresh().await.unwrap_err().kind(), RejectionKind::Unauthenticated);
        tokens.to_response::<bytes::Bytes>()
    };
    let response = world.send_to(handler, crate::support::request("/", &[])).await;

    assert!(carries_nothing(&response));
    assert!(response.headers()["cache-control"].to_str().unwrap().contains("no-store"));
    assert!(world.auth.sessions("alice", None).await.unwrap().is_empty());
    assert_eq!(world.auth.sessions("bob", None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_login_with_cookies_after_a_native_one_sets_them() {
    let world = World::new();
    let handler = |request: Request<()>| async move {
        let session = Session::<Claims>::from_extensions(request.extensions()).unwrap();
        session.login_native("bob").await.unwrap();
        session.login("alice").await.unwrap();
        Response::new(bytes::Bytes::new())
    };
    let response = world.send_to(handler, crate::support::request("/", &[])).await;
    assert_eq!(set_cookies(response.headers()).len(), 2);
    assert!(world.auth.sessions("bob", None).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_native_login_that_fails_sends_nothing_and_keeps_the_old_session() {
    let world = World::new();
    let client = Client::logged_in(&world, "alice").await;
    for op in [Op::Create, Op::End] {
        world.store.break_op(op, Fault::Fails);
        let response = client.send(&world, Method::POST, "/token-login/alice").await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{op:?}");
        world.store.fix();
        assert_eq!(client.send(&world, Method::GET, "/me").await.body(), "alice");
    }
    let response = client.send(&world, Method::POST, "/token-login/unknown").await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_native_session_is_in_the_list_with_its_label() {
    let world = World::new();
    let handler = |request: Request<()>| async move {
        let session = Session::<Claims>::from_extensions(request.extensions()).unwrap();
        let options = LoginOptions::new().label("command line");
        session.login_native_with("alice", options).await.unwrap().to_response::<bytes::Bytes>()
    };
    world.send_to(handler, crate::support::request("/", &[("user-agent", "cli/1")])).await;
    let sessions = world.auth.sessions("alice", None).await.unwrap();
    assert_eq!((sessions[0].label(), sessions[0].user_agent()), (Some("command line"), Some("cli/1")));
}

/// The transport is not in the store, but servers that share a store must agree on it.
#[tokio::test]
async fn another_server_exchanges_a_token_of_this_one() {
    let world = World::new();
    let mut client = Client::logged_in(&world, "alice").await;
    let strict = |builder: tower_refresh::AuthBuilder<Claims>| builder.policy(RotationPolicy::strict());
    let other = World::on(world.clock.clone(), world.store.clone(), strict);
    world.clock.advance(crate::support::probe::ACCESS_LIFETIME);
    assert_eq!(client.exchange(&other).await.status(), StatusCode::OK);
    assert_eq!(client.send(&world, Method::GET, "/me").await.body(), "alice");
    let form = format!("grant_type=refresh_token&refresh_token={}", client.refresh);
    let response =
        call(other.auth.token_route(), Method::POST, "/auth/token", &[("content-type", FORM)], form).await;
    assert_eq!(response.status(), StatusCode::OK);
}

/// A handler may answer with another response than the one that the tokens convert into.
#[tokio::test]
async fn a_response_with_a_native_clients_tokens_is_never_cached_whatever_the_handler_sets() {
    let world = World::new();
    let handler = |request: Request<()>| async move {
        let session = Session::<Claims>::from_extensions(request.extensions()).unwrap();
        let tokens = session.login_native("alice").await.unwrap();
        let mut response = Response::new(bytes::Bytes::from(serde_json::to_vec(&tokens).unwrap()));
        response.headers_mut().insert("cache-control", "public, max-age=60".parse().unwrap());
        response
    };
    let response = world.send_to(handler, crate::support::request("/", &[])).await;
    assert!(
        serde_json::from_slice::<serde_json::Value>(response.body()).unwrap()["refresh_token"].is_string()
    );
    assert_eq!(response.headers()["cache-control"], "private, no-store");
}
