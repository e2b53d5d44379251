//! Logouts that start here.

use axum::http::StatusCode;
use openidconnect::url::Url;
use std::collections::HashMap;

use super::world::{URL, World, account, from_elsewhere, location, text};

#[tokio::test]
async fn a_logout_ends_the_session_here_and_then_goes_to_the_provider_and_back() {
    let world = World::new().await;
    let mut browser = world.logged_in("one", |_| {}).await;
    let mut copy = browser.clone();

    let response = browser.post("/logout", "").await;

    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert!(browser.cookie("__Host-refresh").is_none() && browser.cookie("__Host-access").is_none());
    assert!(account(&mut copy).await.is_none(), "ended, and not only forgotten");
    let url = Url::parse(location(&response)).unwrap();
    assert_eq!(
        format!("{}{}", url.origin().ascii_serialization(), url.path()),
        format!("{}/end-session", world.one.issuer)
    );
    let parameters: HashMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(parameters["client_id"], "web");
    assert_eq!(parameters["post_logout_redirect_uri"], format!("{URL}/logged-out"));
    assert_eq!(parameters["id_token_hint"].split('.').count(), 3);

    let back = format!("/logged-out?state={}", parameters["state"]);
    let response = browser.send(from_elsewhere("GET", &back, "")).await;
    assert!(text(&response).contains("You are logged out, here and at the provider."));
    assert_eq!(location(&browser.get(&back).await), "/", "once");
}

#[tokio::test]
async fn the_page_after_a_logout_at_the_provider_says_so_only_after_a_logout_from_here() {
    let world = World::new().await;
    let mut browser = world.logged_in("one", |_| {}).await;
    for path in ["/logged-out", "/logged-out?state=", "/logged-out?state=guess"] {
        let response = browser.send(from_elsewhere("GET", path, "")).await;
        assert_eq!((response.status(), location(&response)), (StatusCode::SEE_OTHER, "/"), "{path}");
    }
    browser.set_cookie("__Host-logout", "");
    assert_eq!(location(&browser.get("/logged-out?state=").await), "/", "a removed cookie");
    assert!(account(&mut browser).await.is_some());
}

#[tokio::test]
async fn another_site_cannot_log_the_user_out() {
    let world = World::new().await;
    let mut browser = world.logged_in("one", |_| {}).await;
    let response = browser.send(from_elsewhere("POST", "/logout", "")).await;
    assert_eq!((response.status(), location(&response)), (StatusCode::FORBIDDEN, ""));
    assert!(account(&mut browser).await.is_some());
}

#[tokio::test]
async fn a_logout_without_a_login_stays_here() {
    let world = World::new().await;
    let response = world.browser().post("/logout", "").await;
    assert_eq!((response.status(), location(&response)), (StatusCode::SEE_OTHER, "/"));
}
