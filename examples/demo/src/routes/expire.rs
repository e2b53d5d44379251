//! Removes the access cookie, as if its time had come: it lives for minutes where sessions are bound to devices.

use axum::{
    Router,
    http::{StatusCode, header::SET_COOKIE},
    routing::post,
};

use crate::cookies::CookieNames;

pub(crate) fn routes(names: CookieNames) -> Router {
    let expire = async move || (StatusCode::NO_CONTENT, [(SET_COOKIE, names.without_access())]);
    Router::new().route("/demo/expire", post(expire))
}
