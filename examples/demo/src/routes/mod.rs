//! The routes, one file for each group.

mod account;
mod answers;
mod ended;
mod expire;
mod operations;
mod socket;
mod steal;
mod users;

use axum::{
    Router,
    routing::{get, patch, post, put},
};
use metrics_exporter_prometheus::PrometheusHandle;
use tower_refresh::{InvalidLoginPage, Verifier};

pub(crate) use self::{
    ended::routes as ended, expire::routes as expire, operations::reason, steal::routes as steal,
};
use crate::{app::App, users::Claims};

/// The routes behind the library's layer.
pub(crate) fn all(app: App) -> Result<Router, InvalidLoginPage> {
    let require_admin = app.auth.require_scope("admin");
    let admin = Router::new()
        .route("/admin", get(account::admin))
        .route("/users/{name}", patch(users::change))
        .route_layer(require_admin);
    let pages = Router::new()
        .route("/page", get(account::page))
        .route_layer(app.auth.require_auth().login_page("/")?);
    let router = Router::new()
        .route("/login", post(account::login))
        .route("/token-login", post(account::token_login))
        .route("/reauthenticate", post(account::reauthenticate))
        .route("/recent", get(account::recent))
        .route("/me", get(account::me))
        .route("/tenant/{name}", put(account::switch_tenant))
        .route("/public", get(account::public))
        .route("/optional", get(account::optional))
        .route("/echo", post(answers::echo))
        .route("/slow", get(answers::slow))
        .route("/status/{code}", get(answers::status))
        .route("/stream", get(answers::stream))
        // Over HTTP/2 a WebSocket opens with CONNECT (RFC 8441).
        .route("/ws", get(socket::open).connect(socket::open))
        .merge(admin)
        .merge(pages)
        .with_state(app);
    Ok(router)
}

/// The routes outside the layer, for operators.
pub(crate) fn operations(app: App) -> Router {
    Router::new()
        .route("/healthz", get(operations::healthz))
        .with_state(app.clone())
        .merge(metrics(app.metrics))
}

/// The counters, outside the layer.
pub(crate) fn metrics(metrics: PrometheusHandle) -> Router {
    Router::new().route("/metrics", get(operations::metrics)).with_state(metrics)
}

/// The routes of a service that only verifies access tokens.
pub(crate) fn of_service(verifier: &Verifier<Claims>) -> Router {
    let admin =
        Router::new().route("/admin", get(account::admin)).route_layer(verifier.require_scope("admin"));
    Router::new()
        .route("/me", get(account::me))
        .route("/public", get(account::public))
        .route("/optional", get(account::optional))
        .merge(admin)
}
