//! Forms and pages without JavaScript: nothing but links, buttons and redirects.
//!
//! ```text
//! cargo run -p server-rendered              # or: -- 127.0.0.1:8080
//! ```
//!
//! Open <http://localhost:3000> and go to *Account*: you are asked to log in first, and come back to it. As alice
//! (alice-password) *Users* is refused, as admin (admin-password) it is shown. *Sessions* lists where you are logged in: log in by
//! a second browser, end its session from the first one, and reload there.
//!
//! # No anti-forgery token in the forms
//! Another site's page can send these forms, too, and the browser may attach the cookies. The layer sees where the request comes
//! from (`Sec-Fetch-Site`, else `Origin`) and ignores the cookies of such a request; `Session` neither logs in nor out by it. So
//! the forms need no hidden field, as long as nothing is changed by GET: a link from elsewhere is the user's own.

mod forms;
mod pages;
mod visitor;

#[cfg(test)]
mod tests;

use std::{convert::Infallible, env, error::Error};

use axum::{
    Router,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use tower_refresh::{Auth, ConfigError, Identity, KeyRing, MemoryStore};

/// What the access token says of a user, besides the standard claims.
#[derive(Serialize, Deserialize)]
struct User {
    name: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app()?).await?)
}

fn app() -> Result<Router, ConfigError> {
    // A real application reads its key from a file that all its servers share, so that a restart logs nobody out.
    let auth = Auth::builder(KeyRing::ephemeral()?)
        .issuer("http://localhost:3000")
        .audience("server-rendered")
        .store(MemoryStore::new())
        .claims(|subject, _session| async move { Ok::<_, Infallible>(identity(subject.as_str())) })
        // Only pages log in: no script, injected or not, can read a token anywhere.
        .access_header(false)
        .access_token_in_body(false)
        .on_rejection(pages::rejection)
        .build()?;
    Ok(Router::new()
        .route("/", get(pages::home))
        .route("/login", get(forms::login_page).post(forms::login))
        .route("/logout", post(forms::logout))
        .route("/account", get(pages::account))
        .route("/sessions", get(pages::sessions))
        .route("/sessions/end", post(forms::end_session))
        .route("/users", get(pages::users).route_layer(auth.require_scope("admin")))
        .layer(auth.layer()))
}

fn identity(subject: &str) -> Option<Identity<User>> {
    let (name, scope) = match subject {
        "alice" => ("Alice", "user"),
        "admin" => ("The administrator", "user admin"),
        _ => return None,
    };
    Some(Identity::new(User { name: name.to_owned() }).scope(scope))
}
