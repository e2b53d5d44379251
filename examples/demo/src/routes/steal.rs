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
    Router::new()
        .route("/demo/steal", post(steal))
        .route("/demo/steal/use-copy", post(use_copy))
        .route("/demo/steal/use-again", post(use_again))
        .with_state(Arc::new(thief))
}

/// The whole demonstration in one request.
async fn steal(
    _user: Authenticated<Claims>,
    State(thief): State<Arc<Thief>>,
    headers: HeaderMap,
) -> Result<Json<Vec<Step>>, Problem> {
    thief.steal(&headers).await.map(Json).ok_or_else(no_cookie)
}

/// The thief's requests, before the owner's next one.
async fn use_copy(
    _user: Authenticated<Claims>,
    State(thief): State<Arc<Thief>>,
    headers: HeaderMap,
) -> Result<Json<Vec<Step>>, Problem> {
    thief.use_copy(&headers).await.map(Json).ok_or_else(no_cookie)
}

/// The thief's last request, after the owner's. The session has ended by then, so the route needs no user.
async fn use_again(State(thief): State<Arc<Thief>>, headers: HeaderMap) -> Result<Json<Step>, Problem> {
    let step = thief.use_again(&headers).await;
    step.map(Json).ok_or_else(|| Problem::bad_request("this cookie was not the last one stolen"))
}

fn no_cookie() -> Problem {
    Problem::bad_request("there is no refresh cookie to steal")
}
