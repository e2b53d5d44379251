//! Roles that change at once: after `reload_claims` no request has the former role, and no user has to log in again.

mod head;
mod reload;
mod requests;
mod schedules;
#[cfg(feature = "tokio")]
mod servers;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use tower_refresh::{Authenticated, Session};

use crate::support::{
    Browser, Claims, World,
    browser::{ACCESS, set_cookies},
    mint,
};

/// A world in which alice is an administrator, and a browser in which she is logged in.
async fn world_of_an_administrator() -> (World, Browser) {
    let world = World::new();
    let browser = log_in_as_administrator(&world).await;
    (world, browser)
}

async fn log_in_as_administrator(world: &World) -> Browser {
    world.users.set("alice", "Alice", "user admin");
    let browser = Browser::logged_in(world, "alice").await;
    world.take_events();
    world.store.take_calls();
    browser
}

/// Takes the role away, without a word to the layer.
fn demote(world: &World) {
    world.users.set("alice", "Alice", "user");
}

/// Takes the role away, at once.
async fn demote_at_once(world: &World) {
    demote(world);
    world.auth.reload_claims("alice").await.unwrap();
}

/// Answers with the scope of the user, or `-`; `/refresh` refreshes first.
async fn show_scope(request: Request<()>) -> Response<Bytes> {
    let (request, ()) = request.into_parts();
    let answer = async {
        if request.uri.path() == "/refresh" {
            Session::<Claims>::from_extensions(&request.extensions)?.refresh().await?;
        }
        Authenticated::<Claims>::from_extensions(&request.extensions)
    };
    match answer.await {
        Ok(user) => Response::new(user.map_or_else(|| "-".into(), |user| user.scope().to_owned().into())),
        Err(rejection) => rejection.to_response(&request),
    }
}

async fn scope_of(world: &World, request: Request<()>) -> Response<Bytes> {
    world.send_to(show_scope, request).await
}

/// The new access token of a response, wherever it is.
fn new_access(headers: &HeaderMap) -> Option<String> {
    let cookie =
        set_cookies(headers).into_iter().find(|(name, _)| name == ACCESS).and_then(|(_, value)| value);
    cookie.or_else(|| Some(headers.get("x-access-token")?.to_str().unwrap().to_owned()))
}

/// The scope and the epoch of an access token.
fn says(access: &str) -> (String, u64) {
    let claims = mint::claims(access);
    (claims["scope"].as_str().unwrap().to_owned(), claims["epoch"].as_u64().unwrap_or(0))
}

fn says_user(epoch: u64) -> (String, u64) {
    ("user".to_owned(), epoch)
}
