//! OpenAPI: the two transports of the access token as security schemes, in a document generated with utoipa.
//!
//! ```text
//! cargo run -p openapi                      # or: -- 127.0.0.1:8080
//! curl -s localhost:3000/openapi.json       # components.securitySchemes: bearer, cookie
//! ```
//!
//! The schemes are for authors of clients and for tools that send single requests; a browser sends its cookies without them.
//! The refresh token is not a security scheme: only the layer reads it, and no route accepts it as a login.

mod document;
mod routes;

#[cfg(test)]
mod tests;

use std::{convert::Infallible, env, error::Error};

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tower_refresh::{Auth, ConfigError, Identity, KeyRing, MemoryStore};
use utoipa::OpenApi;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app()?).await?)
}

fn app() -> Result<Router, ConfigError> {
    // A real application reads its key from a file that all its servers share, so that users stay logged in after a restart.
    let auth = Auth::builder(KeyRing::ephemeral()?)
        .issuer("http://localhost:3000")
        .audience("openapi")
        .store(MemoryStore::new())
        .claims(|subject, _session| async move {
            let known = (subject.as_str() == "alice").then(|| Identity::new(()).scope("user"));
            Ok::<_, Infallible>(known)
        })
        .build()?;
    Ok(Router::new()
        .route("/openapi.json", get(openapi))
        .route("/login", post(routes::login))
        .route("/me", get(routes::me))
        .route("/admin", get(routes::admin).route_layer(auth.require_scope("admin")))
        .merge(auth.routes())
        .layer(auth.layer()))
}

async fn openapi() -> Response {
    match document::Document::openapi().to_json() {
        Ok(json) => ([(CONTENT_TYPE, "application/json")], json).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
