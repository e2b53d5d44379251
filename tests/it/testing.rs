//! The support for tests of applications.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    routing::{get, post},
};
use http::{Request, StatusCode};
use serde_json::json;
use tower_refresh::{
    Auth, Authenticated, Clock, Identity, KeyRing, MemoryStore, Rejection, Session, Timestamp, TokenResponse,
    testing::{Client, ManualClock, access_token, authenticated},
};

type Claims = serde_json::Map<String, serde_json::Value>;

fn auth(clock: &ManualClock) -> Auth<Claims> {
    Auth::builder(KeyRing::hs256([7; 32]).unwrap())
        .issuer("https://api.example.com")
        .audience("example-web")
        .store(MemoryStore::new())
        .clock(clock.clone())
        .claims(|_, _| async { Ok::<_, Infallible>(Some(Identity::new(Claims::new()).scope("user"))) })
        .build()
        .unwrap()
}

fn app(auth: &Auth<Claims>) -> Router {
    async fn login(session: Session<Claims>, name: String) -> Result<Json<TokenResponse>, Rejection> {
        Ok(Json(session.login(name).await?))
    }
    async fn me(user: Authenticated<Claims>) -> String {
        format!("{} {}", user.subject(), user.scope())
    }
    Router::new()
        .route("/login", post(login))
        .route("/echo", post(async |Json(body): Json<serde_json::Value>| Json(body)))
        .route("/me", get(me))
        .merge(auth.routes())
        .layer(auth.layer())
}

#[tokio::test]
async fn the_client_stays_logged_in_past_the_access_token_and_is_logged_out_after_a_logout() {
    let clock = ManualClock::new();
    let mut client = Client::new(app(&auth(&clock)));
    assert_eq!(client.post("/login", "alice").await.status(), StatusCode::OK);
    let first = client.cookie("__Host-refresh").unwrap().to_owned();

    clock.advance(Duration::from_secs(60 * 60));
    assert_eq!(client.get("/me").await.body(), "alice user");
    assert_ne!(client.cookie("__Host-refresh").unwrap(), first);

    assert_eq!(client.post("/auth/logout", "").await.status(), StatusCode::NO_CONTENT);
    assert_eq!((client.cookie("__Host-refresh"), client.cookie("__Host-access")), (None, None));
    assert_eq!(client.get("/me").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_clone_of_the_client_can_act_as_a_thief() {
    let clock = ManualClock::new();
    let mut client = Client::new(app(&auth(&clock)));
    client.post("/login", "alice").await;
    let mut thief = client.clone();
    for _ in 0..2 {
        clock.advance(Duration::from_secs(60 * 60));
        assert_eq!(client.get("/me").await.status(), StatusCode::OK);
    }

    assert_eq!(thief.get("/me").await.status(), StatusCode::UNAUTHORIZED);

    client.remove_cookie("__Host-access");
    assert_eq!(client.get("/me").await.status(), StatusCode::UNAUTHORIZED, "the session has ended");
}

#[tokio::test]
async fn a_token_without_a_login_is_accepted_until_it_expires() {
    let clock = ManualClock::new();
    let auth = auth(&clock);
    let mut client = Client::new(app(&auth));
    let token = access_token(&auth, "alice", Identity::new(Claims::new()).scope("admin")).unwrap();
    client.bearer(token);
    assert_eq!(client.get("/me").await.body(), "alice admin");

    clock.advance(Duration::from_secs(10 * 60));

    assert_eq!(client.get("/me").await.status(), StatusCode::UNAUTHORIZED);
}

#[test]
fn claims_that_take_a_standard_claims_name_are_rejected_as_at_login() {
    let claims = Claims::from_iter([("sub".to_owned(), json!("root"))]);
    let error = access_token(&auth(&ManualClock::new()), "alice", Identity::new(claims)).unwrap_err();
    assert!(error.to_string().starts_with("the access token cannot be issued: "), "{error}");
}

#[tokio::test]
async fn a_custom_request_keeps_its_headers() {
    let mut client = Client::new(app(&auth(&ManualClock::new())));
    client.post("/login", "alice").await;
    let cross_site = Request::get("/me").header("sec-fetch-site", "cross-site").body(Body::empty()).unwrap();
    assert_eq!(client.send(cross_site).await.status(), StatusCode::FORBIDDEN);
    let without = Request::get("/me").header("cookie", "").body(Body::empty()).unwrap();
    assert_eq!(client.send(without).await.status(), StatusCode::UNAUTHORIZED);
    client.set_cookie("__Host-access", "forged");
    assert_eq!(client.get("/me").await.body(), "alice user", "the refresh cookie decides");
}

#[tokio::test]
async fn json_goes_out_as_json() {
    let mut client = Client::new(app(&auth(&ManualClock::new())));
    assert_eq!(client.post_json("/echo", &json!({"a": 1})).await.body(), r#"{"a":1}"#);
}

#[test]
fn a_handler_can_be_called_with_a_user() {
    let user = authenticated("alice", Identity::new(()).scope("user admin"));
    assert_eq!(user.subject().as_str(), "alice");
    assert!(user.has_scope("admin") && !user.has_scope("root"));
    assert!(user.is_recent(Duration::ZERO));
}

#[test]
fn the_clock_can_be_set_and_advanced() {
    let clock = ManualClock::at(Timestamp::from_secs(5));
    clock.clone().advance(Duration::from_millis(1500));
    assert_eq!(clock.now(), Timestamp::from_millis(6500));
    clock.set(Timestamp::from_secs(1));
    assert_eq!(clock.now(), Timestamp::from_secs(1));
    clock.advance(Duration::MAX);
    assert_eq!(clock.now(), Timestamp::from_millis(u64::MAX));
}

#[tokio::test]
async fn the_debug_output_of_the_client_contains_no_token() {
    let mut client = Client::new(app(&auth(&ManualClock::new())));
    client.post("/login", "alice").await;
    client.bearer("a-bearer-token");
    let shown = format!("{client:?}");
    assert!(!shown.contains("a-bearer-token") && !shown.contains(client.cookie("__Host-refresh").unwrap()));
    assert!(shown.contains("__Host-refresh"), "{shown}");
}

#[tokio::test]
async fn the_client_sends_forms_and_json_with_every_method() {
    async fn show(method: axum::http::Method, headers: axum::http::HeaderMap, body: String) -> String {
        let content_type = headers.get("content-type").map_or("-", |value| value.to_str().unwrap());
        format!("{method} {content_type} {body}")
    }
    let mut client = Client::new(Router::new().route("/", axum::routing::any(show)));
    let form = client.post_form("/", &[("user name", "a+b&c=d"), ("ü", "*-._~%"), ("empty", "")]).await;
    assert_eq!(
        form.body(),
        "POST application/x-www-form-urlencoded user+name=a%2Bb%26c%3Dd&%C3%BC=*-._%7E%25&empty="
    );
    assert_eq!(client.post_form("/", &[]).await.body(), "POST application/x-www-form-urlencoded ");
    assert_eq!(client.post_json("/", &json!(1)).await.body(), "POST application/json 1");
    assert_eq!(client.put("/", "text").await.body(), "PUT - text");
    assert_eq!(client.put_json("/", &json!({"a": 1})).await.body(), "PUT application/json {\"a\":1}");
    assert_eq!(client.delete("/").await.body(), "DELETE - ");
}

#[tokio::test]
async fn the_client_calls_any_service_whatever_the_body_of_its_response() {
    let auth = auth(&ManualClock::new());
    let service = tower::service_fn(async |request: Request<Body>| {
        let session = Session::<Claims>::from_extensions(request.extensions())?;
        if request.uri().path() == "/login" {
            session.login("alice").await?;
        }
        let user = Authenticated::<Claims>::from_extensions(request.extensions())?;
        let name = user.map_or("-".to_owned(), |user| user.subject().to_string());
        Ok::<_, Rejection>(http::Response::new(http_body_util::Full::new(bytes::Bytes::from(name))))
    });
    let mut client = Client::new(tower::Layer::layer(&auth.layer(), service));
    assert_eq!(client.get("/").await.body(), "-");
    assert_eq!(client.get("/login").await.body(), "alice");
    assert_eq!(client.clone().get("/").await.body(), "alice");

    let mut around = Client::new(tower::Layer::layer(&auth.layer(), app(&auth)));
    around.post("/login", "bob").await;
    assert_eq!(around.get("/me").await.body(), "bob user");
}

#[tokio::test]
#[should_panic(expected = "the service failed: \"out of order\"")]
async fn a_service_that_fails_fails_the_test() {
    let service = tower::service_fn(async |_: Request<Body>| Err::<http::Response<Body>, _>("out of order"));
    Client::new(service).get("/").await;
}
