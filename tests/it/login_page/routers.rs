//! axum: what rejections know about the request, in extractors, handlers and nested routers.

use axum::{
    Router,
    body::Body,
    extract::{OriginalUri, Path},
    response::IntoResponse,
    routing::{get, post},
};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header::LOCATION, request::Parts};
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_refresh::{Authenticated, Rejection, Session, SessionHandle};

use crate::support::{Browser, Claims, World, request};

async fn user(_: Authenticated<Claims>) {}

async fn maybe_user(_: Option<Authenticated<Claims>>) {}

async fn list(session: Session<Claims>) -> Result<(), Rejection> {
    session.list(None).await.map(drop)
}

async fn end(session: Session<Claims>, Path(handle): Path<SessionHandle>) -> Result<(), Rejection> {
    session.clone().end(handle).await
}

async fn refresh(session: Session<Claims>) -> Result<(), Rejection> {
    session.refresh().await.map(drop)
}

/// Logs out, and then in again after the response head is ready.
async fn late(session: Session<Claims>) -> Response<Body> {
    let body = async move {
        let rejection = session.logout().await.unwrap_err().into_response();
        Ok::<_, std::convert::Infallible>(rejection.into_body().collect().await.unwrap().to_bytes())
    };
    Response::new(Body::from_stream(futures_util::stream::once(body)))
}

/// The routes below `/app`, as an application nests them.
fn app(world: &World) -> Router {
    let auth = &world.auth;
    let pages = Router::new()
        .route("/user", get(user))
        .route("/maybe", get(maybe_user))
        .route("/list", get(list))
        .route("/end/{handle}", get(end))
        .route("/refresh", post(refresh))
        .route("/late", get(late))
        .route("/guarded", get(|| async {}).route_layer(auth.require_auth()))
        .route("/single", get(|| async {}).route_layer(auth.require_auth().login_page("/app/form").unwrap()))
        .route("/form", get(user).route_layer(auth.require_scope("user").login_page("/app/form").unwrap()))
        .merge(auth.routes());
    Router::new().nest("/app", pages).layer(auth.layer())
}

async fn send(app: &Router, request: Request<()>) -> (StatusCode, Option<String>, String) {
    let response = app.clone().oneshot(request.map(|()| Body::empty())).await.unwrap();
    let (head, body) = response.into_parts();
    let location = head.headers.get(LOCATION).map(|location| location.to_str().unwrap().to_owned());
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, location, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn people_return_to_the_page_of_a_nested_router() {
    let app = app(&World::with(|builder| builder.login_page("/login?a")));
    let navigation = [("accept", "text/html")];
    for path in ["user", "list", "guarded", "auth/sessions"] {
        let (status, location, _) = send(&app, request(&format!("/app/{path}?b=1"), &navigation)).await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{path}");
        assert_eq!(location.unwrap(), format!("/login?a&next=/app/{path}%3Fb%3D1"));
        assert_eq!(
            send(&app, request(&format!("/app/{path}"), &[])).await.0,
            StatusCode::UNAUTHORIZED,
            "{path}"
        );
    }
    let (_, location, _) = send(&app, request("/app/single", &navigation)).await;
    assert_eq!(location.unwrap(), "/app/form?next=/app/single");
    assert_eq!(
        send(&app, request("/app/form", &navigation)).await.0,
        StatusCode::UNAUTHORIZED,
        "the page itself"
    );
    assert_eq!(send(&app, request("/app/maybe", &navigation)).await.0, StatusCode::OK);
}

fn page(rejection: &Rejection, request: &Parts) -> Response<Bytes> {
    let OriginalUri(uri) = request.extensions.get().unwrap();
    let language = request.headers.get("accept-language").unwrap().to_str().unwrap();
    let page = format!("{} {uri} ({}) in {language}", request.method, request.uri);
    let mut response = Response::new(page.into());
    *response.status_mut() = rejection.status();
    response
}

#[tokio::test]
async fn a_closure_receives_the_request_of_every_rejection() {
    let world = World::with(|builder| builder.on_rejection(page));
    let app = app(&world);
    let browser = Browser::logged_in(&world, "alice").await;
    let invalid = ("authorization", "Bearer a.b.c");
    let cookie = browser.cookie_header();
    let cookie = ("cookie", &*cookie);
    let foreign = ("sec-fetch-site", "cross-site");
    let cases = [
        ("GET", "/user", None, 401, "an extractor, anonymous"),
        ("GET", "/user", Some(invalid), 401, "an extractor, an invalid token"),
        ("GET", "/maybe", Some(invalid), 401, "an optional extractor"),
        ("GET", "/guarded", None, 401, "a layer"),
        ("GET", "/list", None, 401, "a method without a user"),
        ("GET", "/list", Some(invalid), 401, "a method with an invalid token"),
        ("GET", "/end/AAAAAAAAAAAAAAAAAAAAAA", Some(cookie), 404, "a method with a user"),
        ("GET", "/end/AAAAAAAAAAAAAAAAAAAAAA", Some(foreign), 403, "a method for another site"),
        ("POST", "/refresh", None, 401, "a refresh without a token"),
        ("POST", "/refresh", Some(invalid), 401, "a refresh with an invalid token"),
        ("GET", "/auth/sessions", None, 401, "a route of the library"),
        ("GET", "/late", Some(cookie), 200, "a method after the response head"),
    ];
    for (method, path, header, status, reason) in cases {
        let headers: Vec<_> = header.into_iter().chain([("accept-language", "de")]).collect();
        let mut request = request(&format!("/app{path}?a"), &headers);
        *request.method_mut() = method.parse().unwrap();
        let (found, _, body) = send(&app, request).await;
        assert_eq!(found, status, "{reason}");
        assert_eq!(body, format!("{method} /app{path}?a ({path}?a) in de"), "{reason}");
    }
}

#[tokio::test]
async fn a_rejection_without_its_request_is_answered_with_the_problem_document() {
    let world = World::with(|builder| builder.on_rejection(page).login_page("/login"));
    let handler = |request: Request<()>| async move {
        let rejection = Authenticated::<Claims>::required(request.extensions()).unwrap_err();
        let response = rejection.into_response();
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        Response::new(response.status().to_string().into())
    };
    let response = world.send_to(handler, request("/", &[("accept", "text/html")])).await;
    assert_eq!(response.body(), "401 Unauthorized");
}
