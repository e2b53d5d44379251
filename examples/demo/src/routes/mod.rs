//! The routes, one file for each group.

mod account;
mod answers;
mod operations;
mod socket;
mod steal;
mod users;

use axum::{
    Router,
    routing::{get, patch, post, put},
};

pub(crate) use self::steal::routes as steal;
use crate::app::App;

/// The routes behind the library's layer.
pub(crate) fn all(app: App) -> Router {
    let require_admin = app.auth.require_scope("admin");
    let admin = Router::new()
        .route("/admin", get(account::admin))
        .route("/users/{name}", patch(users::change))
        .route_layer(require_admin);
    Router::new()
        .route("/login", post(account::login))
        .route("/token-login", post(account::token_login))
        .route("/me", get(account::me))
        .route("/tenant/{name}", put(account::switch_tenant))
        .route("/public", get(account::public))
        .route("/optional", get(account::optional))
        .route("/echo", post(answers::echo))
        .route("/slow", get(answers::slow))
        .route("/status/{code}", get(answers::status))
        .route("/stream", get(answers::stream))
        .route("/ws", get(socket::open))
        .merge(admin)
        .with_state(app)
}

/// The routes outside the layer, for operators.
pub(crate) fn operations(app: App) -> Router {
    Router::new()
        .route("/metrics", get(operations::metrics))
        .route("/healthz", get(operations::healthz))
        .with_state(app)
}
