//! The cost without any authentication. Each request has a bearer token nevertheless, or what a browser sends.

use std::{
    hint::black_box,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{Extension, Router, extract::Request, routing::get};
use tower::{Layer, Service, layer::layer_fn};

use super::Scenario;
use crate::{
    algorithm::Algorithm,
    ours::{Ours, Tokens},
    requests::{Batches, from_browser, requests, with_bearer},
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::with_baseline("bare", bare),
    Scenario::with_baseline("noop.layer", noop_layer),
    Scenario::with_baseline("noop.around", noop_around),
    Scenario::with_baseline("extension.layer", extension_layer),
    Scenario::with_baseline("extension.around", extension_around),
    Scenario::with_baseline("bare.browser", bare_from_browser),
    Scenario::with_baseline("extension.browser.layer", extension_from_browser_on_routes),
    Scenario::with_baseline("extension.browser.around", extension_from_browser_around),
];

fn bare() -> Batches {
    let (world, token) = token();
    requests(world.runtime.clone(), bare_router(), move || with_bearer(&token))
}

fn noop_layer() -> Batches {
    let (world, token) = token();
    requests(world.runtime.clone(), bare_router().layer(layer_fn(Noop)), move || with_bearer(&token))
}

fn noop_around() -> Batches {
    let (world, token) = token();
    requests(world.runtime.clone(), layer_fn(Noop).layer(bare_router()), move || with_bearer(&token))
}

fn extension_layer() -> Batches {
    let (world, token) = token();
    let service = router_of_extension().layer(layer_fn(Extend));
    requests(world.runtime.clone(), service, move || with_bearer(&token))
}

fn extension_around() -> Batches {
    let (world, token) = token();
    let service = layer_fn(Extend).layer(router_of_extension());
    requests(world.runtime.clone(), service, move || with_bearer(&token))
}

fn bare_from_browser() -> Batches {
    let (world, tokens) = tokens();
    let cookies = tokens.cookies();
    requests(world.runtime.clone(), bare_router(), move || from_browser(&cookies))
}

fn extension_from_browser_on_routes() -> Batches {
    let (world, tokens) = tokens();
    let cookies = tokens.cookies();
    let service = router_of_extension().layer(layer_fn(Extend));
    requests(world.runtime.clone(), service, move || from_browser(&cookies))
}

fn extension_from_browser_around() -> Batches {
    let (world, tokens) = tokens();
    let cookies = tokens.cookies();
    let service = layer_fn(Extend).layer(router_of_extension());
    requests(world.runtime.clone(), service, move || from_browser(&cookies))
}

/// A route that reads nothing.
pub fn bare_router() -> Router {
    Router::new().route("/me", get(async || "hello")).with_state(())
}

/// A route that reads the extension of [`Extend`].
fn router_of_extension() -> Router {
    async fn me(user: Extension<Arc<String>>) -> &'static str {
        black_box(&user);
        "hello"
    }
    Router::new().route("/me", get(me)).with_state(())
}

fn token() -> (Ours, String) {
    let (world, tokens) = tokens();
    (world, tokens.access)
}

fn tokens() -> (Ours, Tokens) {
    let world = Ours::new(Algorithm::Hs256);
    let tokens = world.login();
    (world, tokens)
}

/// A layer that does nothing.
#[derive(Clone)]
struct Noop<S>(S);

impl<S: Service<R>, R> Service<R> for Noop<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.0.call(request)
    }
}

/// A layer that creates and inserts one extension for each request, like any layer that passes a user to a handler.
#[derive(Clone)]
struct Extend<S>(S);

impl<S: Service<Request>> Service<Request> for Extend<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> S::Future {
        request.extensions_mut().insert(Arc::new(String::new()));
        self.0.call(request)
    }
}
