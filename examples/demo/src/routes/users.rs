//! Changes to a user. They take effect at the user's next refresh, when the library calls the claims source again; with
//! `?now=true` at once.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use tower_refresh::Rejection;

use crate::{
    app::App,
    problem::Problem,
    users::{Change, Profile},
};

#[derive(Deserialize)]
pub(super) struct When {
    /// On this server and on all others, without waiting for the user's access tokens to expire.
    #[serde(default)]
    now: bool,
}

pub(super) async fn change(
    State(app): State<App>,
    Path(username): Path<String>,
    Query(When { now }): Query<When>,
    Json(change): Json<Change>,
) -> Result<Json<Profile>, Response> {
    let problem = |status, reason| Problem::new(status, reason).into_response();
    change.check().map_err(|reason| problem(StatusCode::UNPROCESSABLE_ENTITY, reason))?;
    let changed = app.users.change(&username, change);
    let changed = changed.ok_or_else(|| problem(StatusCode::NOT_FOUND, "no such user"))?;
    // After the change: the claims source must already know it.
    if now {
        app.auth.reload_claims(username).await.map_err(|error| Rejection::from(error).into_response())?;
    }
    Ok(Json(changed))
}
