//! Something dangerous needs a login of the last five minutes, at the provider.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tower_refresh::testing::Client;

use super::{
    op::Parameters,
    world::{World, from_elsewhere, location, text},
};
use crate::logins::{Ends, Logout};

/// The way from the guarded page to the provider.
async fn sent_to_confirm(world: &World, browser: &mut Client) -> Parameters {
    let request = axum::http::Request::get("/close")
        .header("sec-fetch-site", "same-origin")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document");
    let response = browser.send(request.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!(location(&response), "/confirm?next=/close");
    let response = browser.get("/confirm?next=/close").await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    world.one.parameters(location(&response))
}

async fn come_back(
    world: &World,
    browser: &mut Client,
    request: &Parameters,
    change: impl FnOnce(&mut Value),
) -> (StatusCode, String) {
    let mut claims = world.one.claims(request, world.now());
    change(&mut claims);
    let callback = world.callback("one", request, &claims);
    let response = browser.send(from_elsewhere("GET", &callback, "")).await;
    (response.status(), location(&response).to_owned())
}

#[tokio::test]
async fn the_time_of_a_login_is_what_the_provider_says_and_a_fresh_one_opens_the_guarded_page() {
    let world = World::new().await;
    // An hour ago: the user had a session at the provider.
    let mut browser = world.logged_in("one", |_| {}).await;
    let request = sent_to_confirm(&world, &mut browser).await;
    assert_eq!((request["prompt"].as_str(), request["max_age"].as_str()), ("login", "0"));
    let before = browser.cookie("__Host-refresh").unwrap().to_owned();
    world.clock.advance(Duration::from_secs(20));
    let now = world.now().as_secs();

    let result =
        come_back(&world, &mut browser, &request, |claims| claims["auth_time"] = json!(now - 5)).await;

    assert_eq!(result, (StatusCode::SEE_OTHER, "/close".to_owned()));
    assert_ne!(browser.cookie("__Host-refresh").unwrap(), before, "under a new session id");
    let page = browser.get("/close").await;
    assert!(text(&page).contains("could close the account"), "{}", text(&page));
    // The row of the former session is gone, and the new session is found by its own.
    let logout = Logout {
        issuer: world.one.issuer.clone(),
        jti: "0".to_owned(),
        ends: Ends::Session { sid: "sid-of-alice".to_owned(), subject: None },
        issued_at: world.now(),
    };
    assert_eq!(world.app.logins.record(logout, world.now()).ok().map(|sessions| sessions.len()), Some(1));
    let mut token = world.one.logout_claims(world.now(), "1");
    token["sid"] = json!("sid-of-alice");
    assert_eq!(world.backchannel("one", &world.one.logout_token(&token)).await.status(), StatusCode::OK);
    assert_eq!(browser.get("/account").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_provider_that_does_not_ask_again_leads_to_an_error_and_to_no_loop() {
    type Change = fn(&mut Value);
    let table: [(&str, Change); 2] = [
        ("its session is an hour old", |_| {}),
        ("it does not say", |claims| {
            claims.as_object_mut().unwrap().remove("auth_time");
        }),
    ];
    for (reason, change) in table {
        let world = World::new().await;
        let mut browser = world.logged_in("one", change).await;
        let request = sent_to_confirm(&world, &mut browser).await;
        assert_eq!(
            come_back(&world, &mut browser, &request, change).await.0,
            StatusCode::FORBIDDEN,
            "{reason}"
        );
        assert_eq!(browser.get("/account").await.status(), StatusCode::OK, "{reason}: the session goes on");
        assert_eq!(browser.get("/close").await.status(), StatusCode::UNAUTHORIZED, "{reason}");
    }
}

#[tokio::test]
async fn another_user_who_answers_is_logged_in_as_that_user() {
    let world = World::new().await;
    let mut browser = world.logged_in("one", |_| {}).await;
    let request = sent_to_confirm(&world, &mut browser).await;
    let now = world.now().as_secs();
    let result = come_back(&world, &mut browser, &request, |claims| {
        claims["sub"] = json!("bob");
        claims["name"] = json!("Bob");
        claims["auth_time"] = json!(now);
    })
    .await;
    assert_eq!(result, (StatusCode::SEE_OTHER, "/close".to_owned()));
    let page = browser.get("/close").await;
    assert!(text(&page).contains("Here Bob could"), "{}", text(&page));
}
