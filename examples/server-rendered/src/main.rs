//! Forms and pages that work without JavaScript: nothing but links, buttons and redirects.
//!
//! ```text
//! cargo run -p server-rendered              # or: -- 127.0.0.1:8080
//! ```
//!
//! Open <http://localhost:3000> and go to *Account*: the application shows the login form, then returns to the page. *Users* is
//! rejected for alice (alice-password) and shown to admin (admin-password). *Sessions* lists your logins: log in with a second
//! browser, end its session from the first one, and reload the second.
//!
//! # No anti-forgery token in the forms
//! A page of another site can submit these forms too, and the browser may attach the cookies. The layer detects the origin of
//! the request (`Sec-Fetch-Site`, else `Origin`) and ignores the cookies of such a request, and `Session` neither logs in nor
//! logs out. So the forms need no hidden token, as long as no GET request changes anything: cookies count when the user follows
//! a link from another site.
//!
//! # Back and forward
//! Browsers keep the pages that a user leaves in memory, and show them again as they were. So the only script of these pages
//! requests such a page again: after a logout, or when the session has ended elsewhere, *Back* shows no account.

mod forms;
mod pages;

#[cfg(test)]
mod tests;

use std::{convert::Infallible, env, error::Error};

use axum::{
    Router,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use tower_refresh::{Auth, ConfigError, Identity, KeyRing, MemoryStore};

/// The claims of a user in the access token, besides the standard ones.
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
    // A real application reads its key from a file that all its servers share, so that users stay logged in after a restart.
    let auth = Auth::builder(KeyRing::ephemeral()?)
        .issuer("http://localhost:3000")
        .audience("server-rendered")
        .store(MemoryStore::new())
        .claims(|subject, _session| async move { Ok::<_, Infallible>(identity(subject.as_str())) })
        // All clients are pages with cookies. No script, injected or not, can read a token.
        .access_header(false)
        .access_token_in_body(false)
        .on_rejection(pages::rejection)
        .login_page("/login")
        .build()?;
    Ok(Router::new()
        .route("/", get(pages::home))
        .route("/login", get(forms::login_page).post(forms::login))
        .route("/logout", post(forms::logout))
        .route("/account", get(pages::account))
        .route("/sessions", get(pages::sessions))
        .route("/sessions/end", post(forms::end_session))
        .route("/users", get(pages::users).route_layer(auth.require_scope("admin")))
        .layer(auth.layer())
        .route("/history.js", get(pages::history_script)))
}

fn identity(subject: &str) -> Option<Identity<User>> {
    let (name, scope) = match subject {
        "alice" => ("Alice", "user"),
        "admin" => ("The administrator", "user admin"),
        _ => return None,
    };
    Some(Identity::new(User { name: name.to_owned() }).scope(scope))
}
