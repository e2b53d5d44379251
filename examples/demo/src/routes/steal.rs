//! The page's demonstration of a theft.

use std::sync::Arc;

use axum::{Json, Router, extract::State, http::HeaderMap, routing::post};
use tower_refresh::Authenticated;

use crate::{
    problem::Problem,
    thief::{Step, Thief},
    users::Claims,
};

pub(crate) fn routes(thief: Thief) -> Router {
    Router::new().route("/demo/steal", post(steal)).with_state(Arc::new(thief))
}

async fn steal(
    _user: Authenticated<Claims>,
    State(thief): State<Arc<Thief>>,
    headers: HeaderMap,
) -> Result<Json<Vec<Step>>, Problem> {
    let steps = thief.steal(&headers).await;
    steps.map(Json).ok_or_else(|| Problem::bad_request("there is no refresh cookie to steal"))
}
