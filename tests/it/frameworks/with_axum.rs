//! axum: extractors, guards, and the routes of [`Auth::routes`](tower_refresh::Auth::routes).

use std::time::Duration;

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Redirect},
    routing::{get, post},
};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceExt};
use tower_refresh::{Authenticated, KeyRing, Rejection, RejectionKind, Session, TokenResponse};

use crate::support::{
    Browser, Claims, Op, World,
    browser::{ACCESS, REFRESH, set_cookies},
    probe::session_of,
    store::Fault,
};

/// Names and values of headers.
type Headers<'a> = &'a [(&'a str, &'a str)];

const ACCESS_LIFETIME: Duration = Duration::from_secs(600);

async fn login(
    session: Session<Claims>,
    Path(subject): Path<String>,
) -> Result<Json<TokenResponse>, Rejection> {
    Ok(Json(session.login(subject).await?))
}

async fn me(user: Authenticated<Claims>) -> String {
    user.claims().name.clone()
}

async fn greet(user: Option<Authenticated<Claims>>) -> String {
    user.map_or("anonymous".to_owned(), |user| user.claims().name.clone())
}

async fn leave(user: Authenticated<Claims>) -> impl IntoResponse {
    Redirect::to(&format!("/bye/{}", user.subject()))
}

/// The application of these tests, its routes without the layer.
fn routes(world: &World) -> Router {
    let auth = &world.auth;
    Router::new()
        .route("/login/{subject}", post(login))
        .route("/me", get(me))
        .route("/greet", get(greet))
        .route("/leave", get(leave))
        .route("/members", get(|| async { "members" }).route_layer(auth.require_auth()))
        .route("/admin", get(|| async { "admin" }).route_layer(auth.require_scope("admin")))
        .merge(auth.routes())
}

fn app(world: &World) -> Router {
    routes(world).layer(world.auth.layer())
}

/// Sends the browser's cookies and these headers, and keeps the cookies of the response.
async fn send(
    app: &Router,
    browser: &mut Browser,
    method: Method,
    path: &str,
    headers: Headers<'_>,
) -> Response<Bytes> {
    let mut request = browser.request(path).map(|()| Body::empty());
    *request.method_mut() = method;
    for (name, value) in headers {
        request.headers_mut().append(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
    }
    let response = call(app.clone(), request).await;
    browser.keep(response.headers());
    response
}

async fn call<S>(service: S, request: Request<Body>) -> Response<Bytes>
where
    S: Service<Request<Body>, Response = Response<Body>, Error: std::fmt::Debug>,
{
    let (parts, body) = service.oneshot(request).await.unwrap().into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

async fn get_with(app: &Router, path: &str, headers: Headers<'_>) -> Response<Bytes> {
    send(app, &mut Browser::new(), Method::GET, path, headers).await
}

fn json(response: &Response<Bytes>) -> Value {
    assert_eq!(response.headers()["content-type"], "application/json");
    serde_json::from_slice(response.body()).unwrap()
}

fn names(response: &Response<Bytes>) -> Vec<(String, bool)> {
    set_cookies(response.headers()).into_iter().map(|(name, value)| (name, value.is_some())).collect()
}

fn both(set: bool) -> [(String, bool); 2] {
    [(ACCESS.to_owned(), set), (REFRESH.to_owned(), set)]
}

#[tokio::test]
async fn extractors_see_the_user_of_a_cookie_of_a_bearer_header_and_of_a_refresh() {
    let world = World::new();
    let app = app(&world);
    let mut browser = Browser::new();

    let tokens = json(&send(&app, &mut browser, Method::POST, "/login/alice", &[]).await);
    assert_eq!((&tokens["token_type"], tokens.as_object().unwrap().len()), (&json!("Bearer"), 3));
    assert_eq!(send(&app, &mut browser, Method::GET, "/me", &[]).await.body(), "Alice");

    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    assert_eq!(get_with(&app, "/me", &[("authorization", &bearer)]).await.body(), "Alice");

    world.clock.advance(ACCESS_LIFETIME);
    let response = send(&app, &mut browser, Method::GET, "/leave", &[]).await;
    assert_eq!(
        (response.status(), response.headers()["location"].as_bytes()),
        (StatusCode::SEE_OTHER, b"/bye/alice".as_slice())
    );
    assert_eq!(names(&response), both(true));
}

#[tokio::test]
async fn an_optional_user_is_none_for_an_anonymous_request_and_an_error_for_a_rejected_one() {
    let world = World::new();
    let app = app(&world);
    let browser = Browser::logged_in(&world, "alice").await;
    let cookies = browser.cookie_header();
    let refresh = format!("{REFRESH}={}", browser.refresh().unwrap());
    let expired = format!("Bearer {}", browser.access().unwrap());
    world.clock.advance(ACCESS_LIFETIME);

    let cases: [(&str, Headers<'_>, u16, &str); 7] = [
        ("no credentials", &[], 200, "anonymous"),
        ("valid cookies", &[("cookie", &cookies)], 200, "Alice"),
        ("invalid cookies", &[("cookie", "__Host-refresh=AAAA; __Host-access=a.b.c")], 200, "anonymous"),
        ("a forged bearer token", &[("authorization", "Bearer a.b.c")], 401, "invalid_token"),
        ("an expired bearer token", &[("authorization", &expired)], 401, "invalid_token"),
        (
            "two authorizations",
            &[("authorization", &expired), ("authorization", &expired)],
            400,
            "invalid_request",
        ),
        (
            "another site's request",
            &[("cookie", &cookies), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")],
            403,
            "another site",
        ),
    ];
    for (what, headers, status, content) in cases {
        let response = get_with(&app, "/greet", headers).await;
        assert_eq!(response.status(), status, "{what}");
        assert!(String::from_utf8_lossy(response.body()).contains(content), "{what}: {:?}", response.body());
    }

    world.store.break_op(Op::Load, Fault::Fails);
    let response = get_with(&app, "/greet", &[("cookie", &refresh)]).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn guarded_routes_need_a_user_and_a_scope() {
    let world = World::new();
    let app = app(&world);
    for (subject, members, admin) in [(None, 401, 401), (Some("alice"), 200, 403), (Some("admin"), 200, 200)]
    {
        let mut browser = match subject {
            Some(subject) => Browser::logged_in(&world, subject).await,
            None => Browser::new(),
        };
        let response = send(&app, &mut browser, Method::GET, "/members", &[]).await;
        assert_eq!(response.status(), members, "{subject:?}");
        let response = send(&app, &mut browser, Method::GET, "/admin", &[]).await;
        assert_eq!(response.status(), admin, "{subject:?}");
        assert_eq!(response.body() == "admin", admin == 200, "{subject:?}");
    }
}

#[tokio::test]
async fn a_guard_leaves_unknown_paths_to_the_router() {
    let world = World::new();
    assert_eq!(get_with(&app(&world), "/nowhere", &[]).await.status(), StatusCode::NOT_FOUND);
    let wrong_method = send(&app(&world), &mut Browser::new(), Method::DELETE, "/admin", &[]).await;
    assert_eq!(wrong_method.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn post_refresh_answers_with_the_access_token_and_keeps_the_refresh_token_in_its_cookie() {
    let world = World::new();
    let app = app(&world);
    let mut browser = Browser::logged_in(&world, "alice").await;
    world.clock.advance(Duration::from_secs(61));

    let response = send(&app, &mut browser, Method::POST, "/auth/refresh", &[]).await;

    assert_eq!(response.status(), StatusCode::OK);
    let tokens = json(&response);
    assert_eq!(tokens["access_token"], browser.access().unwrap());
    assert_eq!(tokens["token_type"], "Bearer");
    assert!((540..=600).contains(&tokens["expires_in"].as_u64().unwrap()), "{tokens}");
    assert_eq!(tokens.as_object().unwrap().len(), 3, "{tokens}");
    assert_eq!(names(&response), both(true));

    let anonymous = send(&app, &mut Browser::new(), Method::POST, "/auth/refresh", &[]).await;
    assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn without_the_body_no_script_can_read_an_access_token() {
    let world = World::with(|builder| builder.access_token_in_body(false));
    let app = app(&world);
    let mut browser = Browser::new();
    for path in ["/login/alice", "/auth/refresh"] {
        world.clock.advance(Duration::from_secs(61));
        let response = send(&app, &mut browser, Method::POST, path, &[]).await;

        assert_eq!(names(&response), both(true), "{path}");
        let body = json(&response);
        let expires_in = body["expires_in"].as_u64().unwrap();
        assert_eq!(body, json!({ "expires_in": expires_in }), "{path}");
        for (name, header) in response.headers().iter().filter(|(name, _)| *name != "set-cookie") {
            let header = String::from_utf8_lossy(header.as_bytes()).into_owned();
            assert!(!header.contains(browser.access().unwrap()), "{path}: {name}");
        }
    }
    assert_eq!(send(&app, &mut browser, Method::GET, "/me", &[]).await.body(), "Alice");
}

#[tokio::test]
async fn post_logout_removes_the_cookies_of_any_client_and_ends_the_session() {
    let world = World::new();
    let app = app(&world);
    let mut browser = Browser::logged_in(&world, "alice").await;
    let stolen = browser.cookie_header();

    let response = send(&app, &mut browser, Method::POST, "/auth/logout", &[]).await;
    assert_eq!((response.status(), names(&response)), (StatusCode::NO_CONTENT, both(false).to_vec()));
    assert_eq!(get_with(&app, "/me", &[("cookie", &stolen)]).await.status(), StatusCode::UNAUTHORIZED);

    let response = send(&app, &mut Browser::new(), Method::POST, "/auth/logout", &[]).await;
    assert_eq!((response.status(), names(&response)), (StatusCode::NO_CONTENT, both(false).to_vec()));
}

#[tokio::test]
async fn post_logout_everywhere_ends_every_session_of_the_user_and_of_no_other_user() {
    let world = World::new();
    let app = app(&world);
    let mut here = Browser::logged_in(&world, "alice").await;
    let mut there = Browser::logged_in(&world, "alice").await;
    let mut bob = Browser::logged_in(&world, "bob").await;

    let response = send(&app, &mut here, Method::POST, "/auth/logout-everywhere", &[]).await;
    assert_eq!((response.status(), names(&response)), (StatusCode::NO_CONTENT, both(false).to_vec()));
    assert_eq!(send(&app, &mut there, Method::GET, "/me", &[]).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(send(&app, &mut bob, Method::GET, "/me", &[]).await.body(), "Bob");

    let anonymous = send(&app, &mut Browser::new(), Method::POST, "/auth/logout-everywhere", &[]).await;
    assert_eq!((anonymous.status(), names(&anonymous).len()), (StatusCode::UNAUTHORIZED, 0));
}

#[tokio::test]
async fn the_list_of_sessions_shows_each_session_of_the_user_with_its_times() {
    let world = World::with(|builder| builder.client_ip(|_, _| Some("192.0.2.7".parse().unwrap())));
    let app = app(&world);
    let agent = [("user-agent", "an agent")];
    let (mut here, mut there) = (Browser::new(), Browser::new());
    send(&app, &mut there, Method::POST, "/login/alice", &[]).await;
    world.clock.advance(Duration::from_secs(61));
    send(&app, &mut here, Method::POST, "/login/alice", &agent).await;
    Browser::logged_in(&world, "bob").await;
    send(&app, &mut there, Method::POST, "/auth/refresh", &[]).await;

    let response = send(&app, &mut here, Method::GET, "/auth/sessions", &[]).await;
    assert_eq!(response.headers()["cache-control"], "private, no-store");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    let list = json(&response);

    let handles = list.as_array().unwrap().iter().map(|session| session["handle"].as_str().unwrap().len());
    assert_eq!(handles.collect::<Vec<_>>(), [22, 22]);
    let expected = json!([
        {
            "handle": list[0]["handle"], "created_at": "2023-11-14T22:14:21Z", "last_used_at": "2023-11-14T22:14:21Z",
            "user_agent": "an agent", "ip": "192.0.2.7", "device_bound": false, "current": true,
        },
        {
            "handle": list[1]["handle"], "created_at": "2023-11-14T22:13:20Z", "last_used_at": "2023-11-14T22:00:00Z",
            "user_agent": null, "ip": "192.0.2.7", "device_bound": false, "current": false,
        },
    ]);
    assert_eq!(list, expected);
    assert_eq!(get_with(&app, "/auth/sessions", &[]).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_user_ends_sessions_of_the_list_but_none_of_another_user() {
    let world = World::new();
    let app = app(&world);
    let mut here = Browser::logged_in(&world, "alice").await;
    let mut there = Browser::logged_in(&world, "alice").await;
    let mut bob = Browser::logged_in(&world, "bob").await;
    let own = |list: Value, current: bool| -> String {
        let mut sessions = list.as_array().unwrap().iter();
        let found = sessions.find(|session| session["current"] == current).unwrap();
        format!("/auth/sessions/{}", found["handle"].as_str().unwrap())
    };
    let list = json(&send(&app, &mut here, Method::GET, "/auth/sessions", &[]).await);
    let bobs = own(json(&send(&app, &mut bob, Method::GET, "/auth/sessions", &[]).await), true);
    let (this, other) = (own(list.clone(), true), own(list, false));

    for path in
        [bobs.as_str(), "/auth/sessions/AAAAAAAAAAAAAAAAAAAAAA", "/auth/sessions/x", "/auth/sessions/%ff"]
    {
        let response = send(&app, &mut here, Method::DELETE, path, &[]).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(send(&app, &mut bob, Method::GET, "/me", &[]).await.status(), StatusCode::OK);

    let response = send(&app, &mut here, Method::DELETE, &other, &[]).await;
    assert_eq!((response.status(), names(&response).len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(send(&app, &mut there, Method::GET, "/me", &[]).await.status(), StatusCode::UNAUTHORIZED);
    let again = send(&app, &mut here, Method::DELETE, &other, &[]).await;
    assert_eq!(again.status(), StatusCode::NOT_FOUND);

    let response = send(&app, &mut here, Method::DELETE, &this, &[]).await;
    assert_eq!((response.status(), names(&response)), (StatusCode::NO_CONTENT, both(false).to_vec()));
    let anonymous = send(&app, &mut here, Method::DELETE, &this, &[]).await;
    assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_session_is_ended_by_its_name_in_the_path_below_other_parameters() {
    let world = World::new();
    let nested = Router::new().nest("/{tenant}/account", world.auth.routes()).merge(app(&world));
    let nested = nested.layer(world.auth.layer());
    let mut here = Browser::logged_in(&world, "alice").await;
    let there = Browser::logged_in(&world, "alice").await;
    let path = format!("/acme/account/auth/sessions/{}", session_of(&there));
    let response = send(&nested, &mut here, Method::DELETE, &path, &[]).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn the_routes_of_another_auth_are_an_error_of_the_application() {
    let (customers, staff) = (World::new(), World::new());
    let app = Router::new().merge(staff.auth.routes()).layer(customers.auth.layer());
    let mut browser = Browser::logged_in(&customers, "alice").await;
    for (method, path) in [
        (Method::POST, "/auth/refresh"),
        (Method::POST, "/auth/logout"),
        (Method::POST, "/auth/logout-everywhere"),
        (Method::GET, "/auth/sessions"),
        (Method::DELETE, "/auth/sessions/AAAAAAAAAAAAAAAAAAAAAA"),
    ] {
        let response = send(&app, &mut browser, method, path, &[]).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        let rejection = response.extensions().get::<Rejection>().unwrap();
        assert_eq!(rejection.kind(), &RejectionKind::OtherAuth, "{path}");
    }
}

#[tokio::test]
async fn the_public_keys_are_served_to_any_client_and_contain_no_secret() {
    let world = World::new();
    let app = app(&world);
    let path = "/.well-known/jwks.json";
    assert_eq!(json(&get_with(&app, path, &[]).await), json!({ "keys": [] }));

    world.auth.rotate_keys(KeyRing::ed25519_pem(include_bytes!("../../keys/ed25519.pem")).unwrap()).unwrap();

    let keys = json(&get_with(&app, path, &[]).await);
    let key = keys["keys"][0].as_object().unwrap();
    assert_eq!((&key["kty"], &key["crv"], &key["alg"]), (&json!("OKP"), &json!("Ed25519"), &json!("EdDSA")));
    assert!(!key.contains_key("d"), "{key:?}");
}

#[tokio::test]
async fn the_routes_merge_into_a_router_with_a_state_of_its_own() {
    #[derive(Clone)]
    struct Greeting(&'static str);

    async fn hello(State(Greeting(greeting)): State<Greeting>, user: Authenticated<Claims>) -> String {
        format!("{greeting} {}", user.claims().name)
    }

    let world = World::new();
    let app = Router::new()
        .route("/hello", get(hello))
        .merge(world.auth.routes())
        .layer(world.auth.layer())
        .with_state(Greeting("good morning"));
    let mut browser = Browser::logged_in(&world, "alice").await;

    assert_eq!(send(&app, &mut browser, Method::GET, "/hello", &[]).await.body(), "good morning Alice");
    let list = send(&app, &mut browser, Method::GET, "/auth/sessions", &[]).await;
    assert_eq!(list.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_layer_also_wraps_a_whole_router() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let service = world.auth.layer().layer(routes(&world));
    world.clock.advance(ACCESS_LIFETIME);

    let found = call(service.clone(), browser.request("/me").map(|()| Body::empty())).await;
    assert_eq!((found.body().as_ref(), names(&found)), (b"Alice".as_slice(), both(true).to_vec()));

    world.clock.advance(ACCESS_LIFETIME);
    let mut browser = browser;
    browser.keep(found.headers());
    let missing = call(service, browser.request("/nowhere").map(|()| Body::empty())).await;
    assert_eq!((missing.status(), names(&missing)), (StatusCode::NOT_FOUND, both(true).to_vec()));
}
