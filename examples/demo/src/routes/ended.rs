//! Why a session has ended, for the page: a request with its tokens only learns that they are rejected.

use axum::{Json, Router, extract::Path, http::StatusCode, routing::get};
use serde_json::{Value, json};
use tower_refresh::{SessionHandle, store::SessionStore};

use crate::problem::Problem;

/// Anyone with the handle of a session may know: it is not secret, and authenticates nothing.
pub(crate) fn routes<S: SessionStore + Clone>(store: S) -> Router {
    let reason = async move |Path(session): Path<SessionHandle>| -> Result<Json<Value>, Problem> {
        let row = store.load(session).await;
        let row = row
            .map_err(|_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the store cannot be reached"))?
            .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "there is no such session"))?;
        Ok(Json(json!({ "reason": row.ended.map(|ended| ended.reason.as_str()) })))
    };
    Router::new().route("/demo/ended/{session}", get(reason))
}
