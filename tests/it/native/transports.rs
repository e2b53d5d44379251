//! A refresh token is valid only in the transport that was chosen at login.

use std::time::Duration;

use http::{Method, StatusCode};

use super::client::{Client, FORM, assert_error, exchange, json, send};
use crate::support::{
    Browser, World,
    browser::{REFRESH, generation},
    mint,
    probe::{ACCESS_LIFETIME, INVALID_REFRESH_TOKEN, expired_browser, with_refresh},
};

#[tokio::test]
async fn the_token_of_a_refresh_cookie_is_invalid_at_the_token_endpoint() {
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;
    let row = world.store.row(session).await.unwrap();

    let response = exchange(&world, browser.refresh().unwrap()).await;

    assert_error(&response, "invalid_grant", "a cookie's token");
    assert_eq!((world.store.take_calls(), world.take_events()), (vec![], vec![INVALID_REFRESH_TOKEN]));
    assert_eq!(world.store.row(session).await.unwrap(), row);
    assert_eq!(browser.get(&world, "/me").await.body(), "alice");
}

#[tokio::test]
async fn a_native_clients_token_is_invalid_in_a_cookie() {
    let world = World::new();
    let mut client = Client::logged_in(&world, "alice").await;
    world.clock.advance(ACCESS_LIFETIME);
    for path in ["/me", "/refresh"] {
        let response = world.send(with_refresh(path, &client.refresh)).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert!(!response.headers().contains_key("set-cookie"));
    }
    // A logout trusts the session in a cookie's token because of its MAC alone.
    assert_eq!(world.send(with_refresh("/logout", &client.refresh)).await.status(), StatusCode::OK);
    // Nor is it valid beside the expired access token of its own session.
    let bearer = format!("Bearer {}", client.access);
    let mut request = with_refresh("/me", &client.refresh);
    request.headers_mut().insert("authorization", bearer.parse().unwrap());
    assert_eq!(world.send(request).await.status(), StatusCode::UNAUTHORIZED);

    assert_eq!((world.store.take_calls(), world.take_events()), (vec![], vec![INVALID_REFRESH_TOKEN; 4]));
    assert_eq!(client.exchange(&world).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_native_clients_token_is_invalid_for_another_issuer_or_with_a_changed_byte() {
    let world = World::new();
    let client = Client::logged_in(&world, "alice").await;
    let other =
        World::on(world.clock.clone(), world.store.clone(), |builder| builder.issuer("https://staging"));
    assert_error(&exchange(&other, &client.refresh).await, "invalid_grant", "another issuer");
    assert_error(&exchange(&world, &mint::forged_refresh(&client.refresh)).await, "invalid_grant", "forged");
    for i in 0..client.refresh.len() {
        let mut changed = client.refresh.clone().into_bytes();
        changed[i] = if changed[i] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_error(&exchange(&world, &changed).await, "invalid_grant", &format!("byte {i}"));
    }
    assert_error(&exchange(&world, &client.access).await, "invalid_grant", "an access token");
    assert_eq!(world.store.take_calls(), []);
}

/// A client that also has a jar: its cookies are of another session, which is refreshed by its own requests.
#[tokio::test]
async fn the_token_endpoint_ignores_cookies_and_sets_none() {
    let world = World::new();
    let client = Client::logged_in(&world, "alice").await;
    let (browser, cookie_session) = expired_browser(&world, "bob").await;
    let before = world.store.row(cookie_session).await.unwrap();
    let form = format!("grant_type=refresh_token&refresh_token={}", client.refresh);
    let refresh_only = format!("{REFRESH}={}", browser.refresh().unwrap());
    for cookies in [browser.cookie_header(), refresh_only] {
        let headers = [("content-type", FORM), ("cookie", cookies.as_str())];
        let response = send(&world, Method::POST, "/auth/token", &headers, form.clone()).await;
        let tokens = json(&response);
        assert_eq!(mint::claims(tokens["access_token"].as_str().unwrap())["sub"], "alice");
        assert!(!response.headers().contains_key("set-cookie"));
        assert!(!response.headers().contains_key("x-access-token"));

        let response = send(&world, Method::POST, "/auth/token", &headers, "").await;
        assert_error(&response, "invalid_request", "a cookie is not a parameter");
    }
    assert_eq!(world.store.row(cookie_session).await.unwrap(), before);
}

#[tokio::test]
async fn the_token_endpoint_ignores_the_authorization_header() {
    let world = World::new();
    let client = Client::logged_in(&world, "alice").await;
    let stranger = Client::logged_in(&world, "bob").await;
    world.clock.advance(ACCESS_LIFETIME - Duration::from_secs(60));
    let form = format!("grant_type=refresh_token&refresh_token={}", client.refresh);
    let bearers = [&client.access, &stranger.access, "a.b.c"].map(|token| format!("Bearer {token}"));
    let basic = ["Basic YXBwOnNlY3JldA==".to_owned()];
    for authorization in bearers.iter().chain(&basic) {
        let headers = [("content-type", FORM), ("authorization", authorization.as_str())];
        let response = send(&world, Method::POST, "/auth/token", &headers, form.clone()).await;
        assert_eq!(response.status(), StatusCode::OK, "{authorization}");
        let access = json(&response)["access_token"].as_str().unwrap().to_owned();
        assert_eq!(mint::claims(&access)["sub"], "alice", "{authorization}");
    }
}

/// A browser never adds a refresh token to such a request by itself, so the site that makes it send one does not matter.
#[tokio::test]
async fn a_token_request_may_come_from_any_site() {
    for headers in [
        &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")][..],
        &[("origin", "null")],
        &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "no-cors")],
    ] {
        let world = World::new();
        let client = Client::logged_in(&world, "alice").await;
        let browser = Browser::logged_in(&world, "bob").await;
        let cookies = browser.cookie_header();
        let headers = [headers, &[("content-type", FORM), ("cookie", &cookies)]].concat();
        world.store.take_calls();

        let response = send(&world, Method::POST, "/auth/token", &headers, "grant_type=refresh_token").await;
        assert_error(&response, "invalid_request", "nothing but cookies");
        assert_eq!(world.store.take_calls(), []);

        let form = format!("grant_type=refresh_token&refresh_token={}", client.refresh);
        let response = send(&world, Method::POST, "/auth/token", &headers, form).await;
        assert_eq!(response.status(), StatusCode::OK);
        // No page of another origin may read the response.
        assert!(!response.headers().contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn both_kinds_of_token_have_the_same_form() {
    let world = World::new();
    let client = Client::logged_in(&world, "alice").await;
    let browser = Browser::logged_in(&world, "alice").await;
    assert_eq!(client.refresh.len(), browser.refresh().unwrap().len());
    assert_eq!((generation(&client.refresh), generation(browser.refresh().unwrap())), (0, 0));
}
