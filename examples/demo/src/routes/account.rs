//! Login, and the user of a request.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json,
    extract::{Path, Query, Request, State},
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS},
    },
    response::{Html, IntoResponse, Response},
};
use humantime::parse_duration;
use serde::Deserialize;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use tower_refresh::{
    Authenticated, LoginOptions, ReauthOptions, Rejection, RejectionKind, Session, Timestamp,
};

use crate::{app::App, problem::Problem, users::Claims};

#[derive(Deserialize)]
pub(super) struct LoginForm {
    username: String,
    password: String,
    /// `false`: the cookies end with the browser.
    remember: Option<bool>,
    /// This login's own lifetimes, such as `5m`.
    idle: Option<String>,
    absolute: Option<String>,
}

const LONGEST_TENANT: usize = 8 * 1024;

pub(super) async fn login(
    session: Session<Claims>,
    State(app): State<App>,
    Json(form): Json<LoginForm>,
) -> Response {
    if !app.users.check(&form.username, &form.password) {
        return login_failed(&app);
    }
    match form.options() {
        Ok(options) => login_response(&app, session.login_with(form.username, options).await.map(Json)),
        Err(problem) => problem.into_response(),
    }
}

#[derive(Deserialize)]
pub(super) struct ReauthForm {
    password: String,
    /// Of a client that logged in with `POST /token-login`: the response contains its next one.
    refresh_token: Option<String>,
}

/// Makes the login recent again, for routes such as `GET /recent`.
pub(super) async fn reauthenticate(
    user: Authenticated<Claims>,
    session: Session<Claims>,
    State(app): State<App>,
    Json(form): Json<ReauthForm>,
) -> Response {
    if !app.users.check(user.subject().as_str(), &form.password) {
        return login_failed(&app);
    }
    let options = ReauthOptions::new();
    match form.refresh_token {
        Some(token) => login_response(&app, session.reauthenticate_native(&token, options).await),
        None => login_response(&app, session.reauthenticate(options).await.map(Json)),
    }
}

#[derive(Deserialize)]
pub(super) struct Recent {
    /// Seconds.
    max: u64,
}

/// Other applications put the layer around a route whose maximum age is fixed.
pub(super) async fn recent(
    State(app): State<App>,
    Query(Recent { max }): Query<Recent>,
    request: Request,
) -> Response {
    let answer =
        service_fn(|_: Request| async { Ok::<_, Infallible>(Json(json!({ "max": max })).into_response()) });
    let guarded = app.auth.require_recent_login(Duration::from_secs(max)).layer(answer);
    let Ok(response) = guarded.oneshot(request).await;
    response
}

/// For clients other than browsers: the response contains the refresh token too, for `POST /auth/token`.
pub(super) async fn token_login(
    session: Session<Claims>,
    State(app): State<App>,
    Json(form): Json<LoginForm>,
) -> Response {
    if !app.users.check(&form.username, &form.password) {
        return login_failed(&app);
    }
    match form.options() {
        Ok(options) => login_response(&app, session.login_native_with(form.username, options).await),
        Err(problem) => problem.into_response(),
    }
}

impl LoginForm {
    fn options(&self) -> Result<LoginOptions, Problem> {
        let mut options = LoginOptions::new().remember(self.remember.unwrap_or(true));
        if let Some(idle) = &self.idle {
            options = options.idle(duration(idle)?);
        }
        if let Some(absolute) = &self.absolute {
            options = options.absolute(duration(absolute)?);
        }
        Ok(options)
    }
}

fn duration(text: &str) -> Result<Duration, Problem> {
    parse_duration(text).map_err(|_| Problem::bad_request("a duration is written as 10s, 5m or 30d"))
}

fn login_response(app: &App, login: Result<impl IntoResponse, Rejection>) -> Response {
    match login {
        Ok(tokens) => tokens.into_response(),
        Err(rejection) if *rejection.kind() == RejectionKind::SubjectGone => login_failed(app),
        // Here the client chose the options.
        Err(rejection) if matches!(rejection.kind(), RejectionKind::InvalidLoginOptions { .. }) => {
            Problem::bad_request(rejection.to_string()).into_response()
        }
        Err(rejection) => rejection.into_response(),
    }
}

/// The same response for a wrong password, an unknown user and a disabled user.
fn login_failed(app: &App) -> Response {
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "wrong username or password");
    ([(WWW_AUTHENTICATE, app.challenge.clone())], problem).into_response()
}

pub(super) async fn me(user: Authenticated<Claims>) -> Json<Value> {
    let mut me = json!({
        "sub": user.subject().as_str(),
        "sid": user.session().map(|session| session.to_string()),
        "scope": user.scope(),
        "name": user.claims().name,
        "exp": user.expires_at().as_secs(),
        "auth_time": user.auth_time().map(Timestamp::as_secs),
        "device_bound": user.is_device_bound(),
    });
    if let Some(tenant) = &user.claims().tenant {
        me["tenant"] = tenant.as_str().into();
    }
    Json(me)
}

/// Switches the tenant of this session: the new access token has its claims at once.
pub(super) async fn switch_tenant(
    _user: Authenticated<Claims>,
    session: Session<Claims>,
    Path(name): Path<String>,
) -> Response {
    if name.len() > LONGEST_TENANT {
        return Problem::bad_request("the name of a tenant has at most 8192 bytes").into_response();
    }
    match session.set_data(name).await {
        Ok(tokens) => Json(tokens).into_response(),
        Err(rejection) => rejection.into_response(),
    }
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
