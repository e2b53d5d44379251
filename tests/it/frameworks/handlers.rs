//! What handlers do with the values of the library: parameters, results and responses.

use axum::{
    Router,
    body::Body,
    extract::{Path, Query, State},
    response::{IntoResponse, Response as AxumResponse},
    routing::{get, post},
};
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_refresh::{Auth, Clock, Rejection, RejectionKind, Session, SessionHandle, Subject, TokenResponse};

use crate::support::{
    Browser, Claims, Op, World,
    browser::{ACCESS, set_cookies},
    probe::session_of,
    request,
    store::Fault,
};

#[derive(Deserialize)]
struct Page {
    after: Option<SessionHandle>,
}

async fn list(session: Session<Claims>, Query(page): Query<Page>) -> Result<String, Rejection> {
    let page = session.list(page.after).await?;
    Ok(page.len().to_string())
}

async fn end(
    State(auth): State<Auth<Claims>>,
    Path(handle): Path<SessionHandle>,
) -> Result<String, Rejection> {
    Ok(auth.end_session(handle).await?.to_string())
}

async fn count(State(auth): State<Auth<Claims>>) -> Result<String, Rejection> {
    Ok(auth.sessions("alice", None).await?.len().to_string())
}

async fn login(session: Session<Claims>) -> Result<TokenResponse, Rejection> {
    session.login("alice").await
}

/// One route for pages and for native clients.
async fn login_of_both(session: Session<Claims>) -> Result<AxumResponse, Rejection> {
    if session.is_browser() {
        Ok(session.login("alice").await?.into_response())
    } else {
        Ok(session.login_native("alice").await?.into_response())
    }
}

async fn send(world: &World, request: http::Request<()>) -> Response<Bytes> {
    let app = Router::new()
        .route("/list", get(list))
        .route("/count", get(count))
        .route("/end/{handle}", post(end))
        .route("/login", post(login))
        .route("/both", post(login_of_both))
        .layer(world.auth.layer())
        .with_state(world.auth.clone());
    let response = app.oneshot(request.map(|()| Body::empty())).await.unwrap();
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

fn post_to(path: &str, headers: &[(&str, &str)]) -> http::Request<()> {
    let mut request = request(path, headers);
    *request.method_mut() = Method::POST;
    request
}

#[tokio::test]
async fn a_session_handle_is_a_parameter_of_paths_and_queries() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let handle = session_of(&browser);
    for (query, status, body) in [
        (String::new(), 200, "1"),
        (format!("?after={handle}"), 200, "0"),
        ("?after=short".to_owned(), 400, "Failed to deserialize"),
    ] {
        let response = send(&world, browser.request(&format!("/list{query}"))).await;
        let text = String::from_utf8_lossy(response.body()).into_owned();
        assert_eq!(response.status(), status, "{query} {text}");
        assert!(text.starts_with(body), "{query} {text}");
    }
    assert_eq!(send(&world, post_to("/end/short", &[])).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(send(&world, post_to(&format!("/end/{handle}"), &[])).await.body(), "true");
    assert_eq!(send(&world, post_to(&format!("/end/{handle}"), &[])).await.body(), "false");
}

#[test]
fn a_session_handle_is_serialised_as_its_text() {
    let handle = SessionHandle::from_bytes([7; 16]);
    let value = serde_json::to_value(handle).unwrap();
    assert_eq!(value, json!(handle.to_string()));
    assert_eq!(serde_json::from_value::<SessionHandle>(value).unwrap(), handle);
    for (value, reason) in [
        (json!(""), "empty"),
        (json!(&handle.to_string()[1..]), "short"),
        (json!(format!("{handle}=")), "padded"),
        (json!([7_u8; 16].to_vec()), "bytes"),
        (json!(null), "null"),
    ] {
        let error = serde_json::from_value::<SessionHandle>(value).unwrap_err().to_string();
        assert!(error.contains("22 characters of unpadded base64url"), "{reason}: {error}");
    }
}

#[tokio::test]
async fn a_failure_of_the_store_is_a_rejection() {
    let world = World::new();
    Browser::logged_in(&world, "alice").await;
    assert_eq!(send(&world, request("/count", &[])).await.body(), "1");
    world.store.break_op(Op::List, Fault::Fails);
    let response = send(&world, request("/count", &[])).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(response.extensions().get::<Rejection>().unwrap().kind(), &RejectionKind::Unavailable);
}

#[tokio::test]
async fn the_tokens_of_a_login_are_a_response() {
    let world = World::new();
    let response = send(&world, post_to("/login", &[])).await;
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!((&body["token_type"], body.as_object().unwrap().len()), (&json!("Bearer"), 3));
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["cache-control"], "private, no-store");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert!(set_cookies(response.headers()).iter().any(|(name, _)| name == ACCESS));
}

#[tokio::test]
async fn one_login_route_serves_pages_and_native_clients() {
    let world = World::new();
    let page = send(&world, post_to("/both", &[("sec-fetch-site", "same-origin")])).await;
    assert_eq!(set_cookies(page.headers()).len(), 2);
    assert!(!String::from_utf8_lossy(page.body()).contains("refresh_token"));
    let native = send(&world, post_to("/both", &[])).await;
    assert_eq!(set_cookies(native.headers()).len(), 0);
    assert!(String::from_utf8_lossy(native.body()).contains("refresh_token"));
}

#[tokio::test]
async fn an_application_asks_for_the_time_of_the_clock_and_names_users_by_number() {
    let world = World::new();
    world.clock.advance(std::time::Duration::from_secs(5));
    assert_eq!(world.auth.now(), world.clock.now());
    assert_eq!(world.auth.end_subject(42_i64).await.unwrap(), 0);
    assert_eq!(
        world.auth.sessions(Subject::from_display("a"), None).await.map(|page| page.len()).unwrap(),
        0
    );
}
