//! Which clients are browsers, and what a setting that overrules it does and does not change.

use http::{HeaderMap, Method, StatusCode};
use tower_refresh::{AuthBuilder, RejectionKind, event::EventKind};

use super::client::{Client, FORM, Headers, exchange, json, send};
use crate::support::{
    Browser, Claims, World,
    probe::{carries_nothing, session_of},
    request,
};

/// A client, the headers that it sends with a POST, and whether it may log in natively.
type Case = (&'static str, Headers<'static>, bool);

/// What runtimes and web views send, beside the headers that no rule reads.
const CLIENTS: &[Case] = &[
    ("curl", &[("user-agent", "curl/8.14.1")], true),
    ("Node.js, whose fetch always has a mode", &[("sec-fetch-mode", "cors"), ("user-agent", "node")], true),
    ("Node.js with another mode", &[("sec-fetch-mode", "same-origin"), ("user-agent", "node")], true),
    ("Deno", &[("accept-language", "*"), ("user-agent", "Deno/2.9.6")], true),
    ("Bun", &[("connection", "keep-alive"), ("user-agent", "Bun/1.4.5")], true),
    ("React Native on Android", &[("user-agent", "okhttp/4.12.0")], true),
    ("React Native on iOS", &[("user-agent", "Example/1 CFNetwork/1568.300.101 Darwin/24.2.0")], true),
    ("React Native with an origin", &[("origin", "file://"), ("user-agent", "okhttp/4.12.0")], false),
    (
        "Cordova on Android, pages from files",
        &[("origin", "file://"), ("sec-fetch-site", "cross-site")],
        false,
    ),
    ("Electron, pages from files", &[("origin", "null"), ("sec-fetch-site", "cross-site")], false),
    ("Capacitor on iOS", &[("origin", "capacitor://localhost")], false),
    ("Capacitor on Android", &[("origin", "https://localhost"), ("sec-fetch-site", "cross-site")], false),
    ("Tauri on macOS and Linux", &[("origin", "tauri://localhost")], false),
    ("Tauri on Windows", &[("origin", "http://tauri.localhost"), ("sec-fetch-site", "cross-site")], false),
    ("a page of our own", &[("origin", "https://api.example.com"), ("sec-fetch-site", "same-origin")], false),
    ("a page of our own, of an old browser", &[("origin", "https://api.example.com")], false),
    (
        "a page of another site",
        &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")],
        false,
    ),
];

/// The clients whose `Origin` is not that of the API.
fn foreign() -> impl Iterator<Item = &'static Case> {
    CLIENTS.iter().filter(|(_, headers, _)| {
        headers.iter().any(|(name, value)| *name == "origin" && !value.ends_with("api.example.com"))
    })
}

fn with<'a>(headers: Headers<'a>, name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    headers.iter().copied().chain([(name, value)]).collect()
}

fn is_our_app(headers: &HeaderMap) -> Option<bool> {
    let is_our_app = headers.get("origin")? == "file://" && !headers.contains_key("sec-fetch-site");
    is_our_app.then_some(false)
}

fn overruled(builder: AuthBuilder<Claims>) -> AuthBuilder<Claims> {
    builder.insecure_is_browser(|headers, _| is_our_app(headers))
}

#[tokio::test]
async fn only_clients_that_are_not_browsers_get_a_refresh_token_in_a_body() {
    let world = World::new();
    for (client, headers, is_native) in CLIENTS {
        let response = send(&world, Method::POST, "/token-login/alice", headers, "").await;
        let status = if *is_native { StatusCode::OK } else { StatusCode::FORBIDDEN };
        assert_eq!(response.status(), status, "{client}");
        assert!(carries_nothing(&response), "{client}");
    }
}

/// A browser attaches no credentials to them by itself, so they are open to each client that has the token.
#[tokio::test]
async fn every_client_uses_its_tokens_wherever_it_runs() {
    for (client, headers, _) in CLIENTS {
        let world = World::new();
        let native = Client::logged_in(&world, "alice").await;
        let bearer = format!("Bearer {}", native.access);
        let authorized = with(headers, "authorization", &bearer);
        assert_eq!(send(&world, Method::GET, "/me", &authorized, "").await.body(), "alice", "{client}");

        let form = format!("grant_type=refresh_token&refresh_token={}", native.refresh);
        let headers = with(headers, "content-type", FORM);
        let response = send(&world, Method::POST, "/auth/token", &headers, form).await;
        assert!(json(&response)["access_token"].is_string(), "{client}");

        // The token of a cookie, which a page never sees, is none for this endpoint.
        let browser = Browser::logged_in(&world, "bob").await;
        let form = format!("grant_type=refresh_token&refresh_token={}", browser.refresh().unwrap());
        let response = send(&world, Method::POST, "/auth/token", &headers, form).await;
        assert_eq!(json(&response)["error"], "invalid_grant", "{client}");
    }
}

#[tokio::test]
async fn a_setting_lets_an_app_with_an_origin_log_in_and_no_other_client() {
    let world = World::with(overruled);
    for (client, headers, is_native) in CLIENTS {
        let response = send(&world, Method::POST, "/token-login/alice", headers, "").await;
        let is_native = *is_native || *client == "React Native with an origin";
        let status = if is_native { StatusCode::OK } else { StatusCode::FORBIDDEN };
        assert_eq!(response.status(), status, "{client}");
    }
}

#[tokio::test]
async fn an_app_with_an_origin_lives_like_any_native_client() {
    let world = World::with(overruled);
    let app = [("origin", "file://")];
    let response = send(&world, Method::POST, "/token-login/alice", &app, "").await;
    let tokens = json(&response);
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    let mut client = Client { access: text("access_token"), refresh: text("refresh_token") };
    world.clock.advance(std::time::Duration::from_secs(600));
    assert_eq!(client.exchange(&world).await.status(), StatusCode::OK);

    let bearer = format!("Bearer {}", client.access);
    let authorized = with(&app, "authorization", &bearer);
    let list = send(&world, Method::GET, "/auth/sessions", &authorized, "").await;
    assert_eq!(json(&list).as_array().unwrap().len(), 1);
    let response = send(&world, Method::POST, "/auth/logout", &authorized, "").await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert!(carries_nothing(&response), "{response:?}");
    assert!(world.store.row(client.session()).await.unwrap().ended.is_some());
    assert_eq!(exchange(&world, &client.refresh).await.status(), StatusCode::BAD_REQUEST);
}

/// The worst setting: every client counts as native.
#[tokio::test]
async fn the_setting_does_not_make_the_cookies_of_another_site_count() {
    let world = World::with(|builder| builder.insecure_is_browser(|_, _| Some(false)));
    let browser = Browser::logged_in(&world, "alice").await;
    let cookies = browser.cookie_header();
    for (client, headers, _) in foreign() {
        let headers = with(headers, "cookie", &cookies);
        for path in ["/me", "/optional", "/login/bob", "/refresh", "/logout-everywhere", "/logout-others"] {
            let response = world.send(request(path, &headers)).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{client}: {path}");
            assert!(carries_nothing(&response), "{client}: {path}");
        }
        assert_eq!(world.send(request("/public", &headers)).await.body(), "-", "{client}");
        // It ends no session and removes no cookie.
        for path in ["/logout", "/status/200"] {
            let response = world.send(request(path, &headers)).await;
            assert_eq!(response.status(), StatusCode::OK, "{client}: {path}");
            assert!(carries_nothing(&response), "{client}: {path}");
        }
        assert!(world.store.row(session_of(&browser)).await.unwrap().ended.is_none(), "{client}");
    }
    // A request of our own loses nothing.
    let own = [("origin", "https://api.example.com"), ("cookie", &cookies)];
    assert_eq!(world.send(request("/me", &own)).await.body(), "alice");
    assert!(!carries_nothing(&world.send(request("/logout", &own)).await));
}

#[tokio::test]
async fn the_setting_can_find_browsers_that_the_rule_does_not() {
    let is_web_view = |headers: &HeaderMap| headers.get("user-agent").map(|agent| agent == "a web view");
    let world = World::with(|builder| {
        builder.insecure_is_browser(move |headers, _| is_web_view(headers).filter(|is_web_view| *is_web_view))
    });
    world.take_events();
    let agent = [("user-agent", "a web view")];
    let response = send(&world, Method::POST, "/token-login/alice", &agent, "").await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let kind = response.extensions().get::<tower_refresh::Rejection>().unwrap().kind().clone();
    assert_eq!(kind, RejectionKind::FromBrowser);
    assert!(matches!(world.take_events()[..], [EventKind::Rejected(_)]));

    // Its cookies count: only who gets which tokens has changed.
    let browser = Browser::logged_in(&world, "alice").await;
    let cookies = browser.cookie_header();
    assert_eq!(world.send(request("/me", &with(&agent, "cookie", &cookies))).await.body(), "alice");
}
