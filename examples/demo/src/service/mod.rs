//! A second service, which verifies the access tokens of the application: `cargo run -p demo -- service --jwks URL`.

mod keys;
mod store;

use std::{
    io::{self, Write},
    net::SocketAddr,
    sync::Arc,
};

use anyhow::{Result, ensure};
use axum::{Json, Router, http::StatusCode, middleware::map_response, routing::get};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower_refresh::Verifier;

use self::store::Ended;
use crate::{
    Started, listen, metrics,
    options::ServiceOptions,
    problem::{self, Problem},
    routes,
    signals::Signals,
    users::Claims,
};

pub(crate) async fn start(options: &ServiceOptions) -> Result<Started> {
    ensure!(
        options.jwks.starts_with("http://"),
        "the address of the keys must start with http://, as this program has no TLS client"
    );
    // First, as the verifier reports at once that it has no keys.
    let metrics = metrics::install()?;
    let ended = match &options.store {
        Some(url) => Some(Ended::open(url).await?),
        None => None,
    };
    let url: Arc<str> = options.jwks.as_str().into();
    let verifier = Verifier::<Claims>::builder()
        .issuer(&options.names.issuer)
        .audience(&options.names.audience)
        .jwks(move || keys::fetch(url.clone()));
    let verifier = match &ended {
        Some(ended) => ended.followed_by(verifier),
        None => verifier,
    };
    let verifier = verifier.build()?;
    let router = router(&verifier, ended, metrics);
    let listener = listen(&options.listen).await?;
    // Before the first line of output, because its reader may stop the server at once.
    let signals = Signals::new()?;
    print_instructions(listener.local_addr()?, options);
    tokio::spawn(async move {
        if verifier.load().await.is_err() {
            let _ = writeln!(io::stderr(), "warning: the keys cannot be fetched yet, so tokens get 503");
        }
    });
    Ok(Started { listener, tls: None, router, signals, stopping: Arc::new(watch::Sender::new(false)) })
}

fn router(verifier: &Verifier<Claims>, ended: Option<Ended>, metrics: PrometheusHandle) -> Router {
    let health = Arc::new((verifier.clone(), ended));
    let healthz = move || {
        let health = health.clone();
        async move { healthz(&health.0, health.1.as_ref()).await }
    };
    routes::of_service(verifier)
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing here"))
        .layer(verifier.layer())
        .route("/healthz", get(healthz))
        .merge(routes::metrics(metrics))
        .layer(map_response(problem::from_any_error))
}

/// Whether there are keys, and the store can be reached.
async fn healthz(verifier: &Verifier<Claims>, ended: Option<&Ended>) -> Result<Json<Value>, Problem> {
    let unavailable = |reason: String| Problem::new(StatusCode::SERVICE_UNAVAILABLE, reason);
    verifier.load().await.map_err(|error| unavailable(routes::reason(&error)))?;
    if let Some(ended) = ended {
        ended.check().await.map_err(|error| unavailable(routes::reason(&error)))?;
    }
    Ok(Json(json!({ "status": "ok" })))
}

/// Prints the address and what to try. The server continues if standard output is closed.
fn print_instructions(address: SocketAddr, options: &ServiceOptions) {
    let _ = writeln!(
        io::stdout(),
        "listening on http://{address}

keys    {}

try it, with the access token of a login at the application
  curl -si http://{address}/me -H 'authorization: Bearer …'",
        options.jwks
    );
}
