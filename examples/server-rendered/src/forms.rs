//! The handlers of the forms. Each POST responds with a redirect, so that a reload of the next page does not send the form again.

use axum::{
    Form,
    extract::Query,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use tower_refresh::{Authenticated, Rejection, RejectionKind, Session, safe_next};

use crate::{User, pages};

#[derive(Deserialize)]
pub(crate) struct Next {
    #[serde(default)]
    next: String,
}

pub(crate) async fn login_page(user: Option<Authenticated<User>>, Query(query): Query<Next>) -> Response {
    let next = safe_next(&query.next).unwrap_or("/");
    match user {
        Some(_) => Redirect::to(next).into_response(),
        None => pages::login(StatusCode::OK, next, None).into_response(),
    }
}

#[derive(Deserialize)]
pub(crate) struct Login {
    username: String,
    password: String,
    #[serde(default)]
    next: String,
}

pub(crate) async fn login(session: Session<User>, Form(form): Form<Login>) -> Result<Response, Rejection> {
    // The form field comes from the browser, so it is checked again.
    let next = safe_next(&form.next).unwrap_or("/");
    if !is_password_correct(&form) {
        let wrong = Some("That is not the name and password of a user.");
        return Ok(pages::login(StatusCode::UNPROCESSABLE_ENTITY, next, wrong).into_response());
    }
    session.login(form.username.as_str()).await?;
    Ok(Redirect::to(next).into_response())
}

pub(crate) async fn logout(session: Session<User>) -> Result<Redirect, Rejection> {
    session.logout().await?;
    Ok(Redirect::to("/"))
}

#[derive(Deserialize)]
pub(crate) struct Ended {
    session: String,
}

pub(crate) async fn end_session(
    session: Session<User>,
    Form(form): Form<Ended>,
) -> Result<Response, Rejection> {
    let Ok(handle) = form.session.parse() else { return Ok(StatusCode::BAD_REQUEST.into_response()) };
    match session.end(handle).await {
        // The session has ended already, or belongs to another user. The response does not distinguish the two.
        Err(rejection) if *rejection.kind() != RejectionKind::SessionNotFound => Err(rejection),
        _ => Ok(Redirect::to("/sessions").into_response()),
    }
}

/// A real application verifies a password hash and limits the attempts.
fn is_password_correct(form: &Login) -> bool {
    matches!(
        (form.username.as_str(), form.password.as_str()),
        ("alice", "alice-password") | ("admin", "admin-password")
    )
}
