//! Changes to a user. They take effect at the user's next refresh, when the library calls the claims source again.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};

use crate::{
    app::App,
    problem::Problem,
    users::{Change, Profile},
};

pub(super) async fn change(
    State(app): State<App>,
    Path(username): Path<String>,
    Json(change): Json<Change>,
) -> Result<Json<Profile>, Problem> {
    change.check().map_err(|reason| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, reason))?;
    let changed = app.users.change(&username, change);
    changed.map(Json).ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "no such user"))
}
