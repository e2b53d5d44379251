//! The routes.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_refresh::{
    Authenticated, LoginOptions, ReauthOptions, Rejection, Session, Timestamp, TokenResponse,
};

use crate::{App, User, factor::WrongCode};

#[derive(Deserialize)]
pub(crate) struct Password {
    username: String,
    password: String,
}

#[derive(Deserialize)]
pub(crate) struct FirstCode {
    ticket: String,
    code: String,
}

#[derive(Deserialize)]
pub(crate) struct Code {
    code: String,
}

/// The first factor. The response is no login.
pub(crate) async fn login(State(app): State<App>, Json(form): Json<Password>) -> Result<Json<Value>, Error> {
    let user = check_password(&form).ok_or(Error::NotAuthenticated)?;
    let ticket = app.tickets.issue(user, app.auth.now()).map_err(|_| Error::Internal)?;
    Ok(Json(json!({ "ticket": ticket })))
}

/// The second factor, after which there is a session.
pub(crate) async fn code(
    State(app): State<App>,
    session: Session<User>,
    Json(form): Json<FirstCode>,
) -> Result<Json<TokenResponse>, Error> {
    let now = app.auth.now();
    let user = app.tickets.user(&form.ticket, now).ok_or(Error::NotAuthenticated)?;
    app.alice.check(&form.code, now)?;
    if !app.tickets.redeem(user, &form.ticket) {
        return Err(Error::NotAuthenticated);
    }
    Ok(Json(session.login_with(user, LoginOptions::new().data("pwd otp")).await?))
}

/// The second factor again, for a login that is no longer recent. What this answers to a wrong code must not look like an
/// invalid session, or the page would log the user out.
pub(crate) async fn reauthenticate(
    State(app): State<App>,
    _user: Authenticated<User>,
    session: Session<User>,
    Json(form): Json<Code>,
) -> Result<Json<TokenResponse>, Error> {
    app.alice.check(&form.code, app.auth.now()).map_err(|WrongCode| Error::WrongCode)?;
    Ok(Json(session.reauthenticate(ReauthOptions::new()).await?))
}

pub(crate) async fn account(user: Authenticated<User>) -> Json<Value> {
    Json(json!({
        "sub": user.subject().as_str(),
        "amr": user.claims().amr,
        "auth_time": user.auth_time().map(Timestamp::as_secs),
    }))
}

/// Behind `require_recent_login`.
pub(crate) async fn close(user: Authenticated<User>) -> String {
    format!("the account of {} is closed", user.subject())
}

/// A real application compares with a hash that is made for passwords, such as Argon2, and takes as long for an unknown user.
fn check_password(form: &Password) -> Option<&'static str> {
    (form.username == "alice" && form.password == "alice-password").then_some("alice")
}

pub(crate) enum Error {
    /// The same for a wrong password, an unknown user, a ticket that has expired, and a wrong code.
    NotAuthenticated,
    WrongCode,
    Internal,
    Rejected(Rejection),
}

impl From<WrongCode> for Error {
    fn from(_: WrongCode) -> Self {
        Self::NotAuthenticated
    }
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        match self {
            Self::NotAuthenticated => (StatusCode::UNAUTHORIZED, "the login failed").into_response(),
            Self::WrongCode => (StatusCode::FORBIDDEN, "the code is wrong").into_response(),
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            Self::Rejected(rejection) => rejection.into_response(),
        }
    }
}
