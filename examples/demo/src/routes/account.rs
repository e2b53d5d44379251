//! Login, and the user of a request.

use axum::{
    Json,
    extract::State,
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS},
    },
    response::{Html, IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_refresh::{Authenticated, Rejection, RejectionKind, Session};

use crate::{app::App, problem::Problem, users::Claims};

#[derive(Deserialize)]
pub(super) struct LoginForm {
    username: String,
    password: String,
}

pub(super) async fn login(
    session: Session<Claims>,
    State(app): State<App>,
    Json(form): Json<LoginForm>,
) -> Response {
    if !app.users.check(&form.username, &form.password) {
        return login_failed();
    }
    login_response(session.login(form.username).await.map(Json))
}

/// For clients other than browsers: the response contains the refresh token too, for `POST /auth/token`.
pub(super) async fn token_login(
    session: Session<Claims>,
    State(app): State<App>,
    Json(form): Json<LoginForm>,
) -> Response {
    if !app.users.check(&form.username, &form.password) {
        return login_failed();
    }
    login_response(session.login_native(form.username).await)
}

fn login_response(login: Result<impl IntoResponse, Rejection>) -> Response {
    match login {
        Ok(tokens) => tokens.into_response(),
        Err(rejection) if *rejection.kind() == RejectionKind::SubjectGone => login_failed(),
        Err(rejection) => rejection.into_response(),
    }
}

/// The same response for a wrong password, an unknown user and a disabled user.
fn login_failed() -> Response {
    let challenge = HeaderValue::from_static("Bearer realm=\"tower-refresh-demo\"");
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "wrong username or password");
    ([(WWW_AUTHENTICATE, challenge)], problem).into_response()
}

pub(super) async fn me(user: Authenticated<Claims>) -> Json<Value> {
    Json(json!({
        "sub": user.subject().as_str(),
        "sid": user.session().to_string(),
        "scope": user.scope(),
        "name": user.claims().name,
        "exp": user.expires_at().as_secs(),
    }))
}

/// Serves every request, even with credentials that other routes reject.
pub(super) async fn public(user: Result<Option<Authenticated<Claims>>, Rejection>) -> Json<Value> {
    Json(authentication_status(user.ok().flatten()))
}

/// Serves logged-in users and anonymous requests, but rejects invalid credentials.
pub(super) async fn optional(user: Option<Authenticated<Claims>>) -> Json<Value> {
    Json(authentication_status(user))
}

/// A page for people, who are sent to log in if they must.
pub(super) async fn page(user: Authenticated<Claims>) -> impl IntoResponse {
    let headers = [
        (CACHE_CONTROL, "private, no-store"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    // Of three fixed names, so it needs no escaping.
    let subject = user.subject();
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>tower-refresh demo</title>\
         <p>You are logged in as <b>{subject}</b>.</p><p><a href=\"/\">Back</a></p>"
    );
    (headers, Html(page))
}

pub(super) async fn admin(user: Authenticated<Claims>) -> Json<Value> {
    Json(json!({ "sub": user.subject().as_str(), "scope": user.scope() }))
}

fn authentication_status(user: Option<Authenticated<Claims>>) -> Value {
    json!({
        "authenticated": user.is_some(),
        "sub": user.as_ref().map(|user| user.subject().as_str()),
    })
}
