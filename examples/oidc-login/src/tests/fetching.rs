//! A provider that is down, or changes its keys.

use std::time::Duration;

use axum::http::StatusCode;
use openidconnect::IssuerUrl;
use serde_json::json;

use super::world::{URL, World, account, location};
use crate::{
    attempt::Attempt,
    provider::{Http, Provider},
};

#[tokio::test]
async fn a_provider_that_is_down_costs_a_503_and_one_request_in_ten_seconds() {
    let world = World::new().await;
    world.one.set_down(true);
    for _ in 0..20 {
        let response = world.browser().get("/login/one").await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()["retry-after"], "10");
        assert!(!response.headers().contains_key("set-cookie"));
    }
    assert_eq!(world.one.discoveries(), 1);
    world.one.set_down(false);
    assert_eq!(
        world.browser().get("/login/one").await.status(),
        StatusCode::SERVICE_UNAVAILABLE,
        "a moment later"
    );
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(world.browser().get("/login/one").await.status(), StatusCode::SEE_OTHER);
    assert_eq!(
        world.browser().get("/login/two").await.status(),
        StatusCode::SEE_OTHER,
        "the other is not affected"
    );
}

#[tokio::test]
async fn the_log_says_why_a_provider_cannot_be_reached_or_rejects_the_code() {
    let world = World::new().await;
    let attempt = Attempt::new("one", "/", false, world.now());
    let refused = world.app.provider("one").unwrap().sign_in("invented".into(), &attempt, world.now()).await;
    assert!(refused.err().unwrap().to_string().contains("invalid_grant"));

    let mut settings = world.one.settings("one");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    settings.issuer = IssuerUrl::new(format!("http://{closed}")).unwrap();
    let provider = Provider::new(settings, URL, Http::new().unwrap()).unwrap();
    let error = provider.metadata(world.now()).await.err().unwrap().to_string();
    assert!(error.contains("refused"), "{error}");
}

#[tokio::test]
async fn an_outage_of_the_provider_logs_no_user_out() {
    let world = World::new().await;
    let mut browser = world.logged_in("one", |_| {}).await;
    world.one.set_down(true);
    world.clock.advance(Duration::from_secs(3 * 60 * 60));
    assert!(account(&mut browser).await.is_some(), "refreshed without the provider");
    let response = browser.post("/logout", "").await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert!(
        location(&response).starts_with(&format!("{}/end-session?", world.one.issuer)),
        "by what it said before"
    );
}

#[tokio::test]
async fn a_new_key_of_the_provider_is_found_by_the_login_that_needs_it() {
    let world = World::new().await;
    world.logged_in("one", |_| {}).await;
    world.clock.advance(Duration::from_secs(30));
    world.one.rotate_key();
    let mut browser = world.logged_in("one", |_| {}).await;
    assert!(account(&mut browser).await.is_some());
    assert_eq!(world.one.discoveries(), 2);

    world.clock.advance(Duration::from_secs(30));
    world.one.rotate_key();
    let claims = world.one.logout_claims(world.now(), "1");
    assert_eq!(world.backchannel("one", &world.one.logout_token(&claims)).await.status(), StatusCode::OK);
    assert!(account(&mut browser).await.is_none());
}

#[tokio::test]
async fn unknown_key_identifiers_cost_one_fetch_in_ten_seconds() {
    let world = World::new().await;
    let claims = world.one.logout_claims(world.now(), "1");
    for number in 0..50 {
        let token = world.one.sign_as(&json!({ "alg": "EdDSA", "kid": number.to_string() }), &claims);
        assert_eq!(world.backchannel("one", &token).await.status(), StatusCode::BAD_REQUEST);
    }
    assert_eq!(world.one.discoveries(), 1);
    world.clock.advance(Duration::from_secs(10));
    let claims = world.one.logout_claims(world.now(), "1");
    for number in 0..50 {
        let token = world.one.sign_as(&json!({ "alg": "EdDSA", "kid": number.to_string() }), &claims);
        assert_eq!(world.backchannel("one", &token).await.status(), StatusCode::BAD_REQUEST);
    }
    assert_eq!(world.one.discoveries(), 2);
}
