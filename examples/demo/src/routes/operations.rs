//! Metrics and health, for operators.

use std::error::Error;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};

use crate::{app::App, problem::Problem};

pub(super) async fn metrics(State(metrics): State<PrometheusHandle>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render())
}

/// Checks the store with a query that returns no session.
pub(super) async fn healthz(State(app): State<App>) -> Result<Json<Value>, Problem> {
    match app.auth.sessions("healthz", None).await {
        Ok(_) => Ok(Json(json!({ "status": "ok" }))),
        Err(error) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, reason(&error))),
    }
}

pub(crate) fn reason(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", reason(source)),
        None => error.to_string(),
    }
}
