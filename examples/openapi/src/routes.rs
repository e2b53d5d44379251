//! The application's own routes, each with its description in the document.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use tower_refresh::{Authenticated, Rejection, Session};
use utoipa::ToSchema;

use crate::document::{NeedsLogin, Problem, Tokens};

#[derive(Deserialize, ToSchema)]
pub(crate) struct LoginForm {
    username: String,
    password: String,
}

/// Log in.
#[utoipa::path(
    post,
    tag = "account",
    path = "/login",
    request_body = LoginForm,
    responses(
        (status = 200, description = "Logged in: both cookies are set", body = Tokens),
        (status = 401, description = "Wrong name or password"),
        (
            status = 403,
            description = "The request came from another site",
            body = Problem,
            content_type = "application/problem+json",
        ),
    ),
)]
pub(crate) async fn login(session: Session<()>, Json(form): Json<LoginForm>) -> Result<Response, Rejection> {
    // A real application verifies a password hash.
    if (form.username.as_str(), form.password.as_str()) != ("alice", "alice-password") {
        return Ok(StatusCode::UNAUTHORIZED.into_response());
    }
    Ok(Json(session.login(form.username).await?).into_response())
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    subject: String,
}

/// Who is logged in.
#[utoipa::path(
    get,
    tag = "account",
    path = "/me",
    responses((status = 200, description = "The user", body = Me), NeedsLogin),
    security(("cookie" = []), ("bearer" = [])),
)]
pub(crate) async fn me(user: Authenticated<()>) -> Json<Me> {
    Json(Me { subject: user.subject().to_string() })
}

/// For administrators.
#[utoipa::path(
    get,
    tag = "account",
    path = "/admin",
    responses((status = 200, description = "An administrator"), NeedsLogin),
    security(("cookie" = ["admin"]), ("bearer" = ["admin"])),
)]
pub(crate) async fn admin() {}
