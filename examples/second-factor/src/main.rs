//! A login with a password and a one-time code of an authenticator app (TOTP, RFC 6238), and a route that needs a recent code.
//!
//! ```text
//! cargo run -p second-factor              # or: -- 127.0.0.1:8080; prints alice's secret for the authenticator app
//!
//! alias call='curl -s -b jar -c jar -H content-type:application/json'
//! call localhost:3000/login -d '{"username": "alice", "password": "alice-password"}'  # a ticket, and no session
//! call localhost:3000/login/code -d '{"ticket": "…", "code": "123456"}'               # now there is a session
//! call localhost:3000/account
//! call -X POST localhost:3000/account/close    # 401 insufficient_user_authentication, five minutes later
//! call localhost:3000/reauthenticate -d '{"code": "654321"}'
//! call -X POST localhost:3000/account/close    # done
//! ```
//!
//! # Between password and code there is no session
//! The password alone gets a ticket, which the server keeps in its memory for two minutes. It is no token: no extractor accepts
//! it, and the only route that reads it is `/login/code`. So no route can forget to ask for the second factor. Several servers
//! keep the tickets in their database, or send the user to the same server.
//!
//! # A code is used once, and guessed only a few times
//! [`factor`] remembers the time step of the last code that it accepted (RFC 6238 §5.2), and locks the factor for a while after
//! five wrong ones (RFC 4226 §7.3). An application keeps both in its user table, where all its servers see them. It also limits
//! attempts at passwords, which this example leaves out.

mod factor;
mod routes;
#[cfg(test)]
mod tests;
mod tickets;

use std::{env, error::Error, str, sync::Arc, time::Duration};

use axum::{
    Router,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use totp_rs::Secret;
use tower_refresh::{Auth, Clock, ConfigError, Identity, KeyRing, MemoryStore, SystemClock};

use self::{factor::Factor, tickets::Tickets};

const RECENT: Duration = Duration::from_secs(5 * 60);

/// The claims of a user in the access token, besides the standard ones.
#[derive(Serialize, Deserialize)]
struct User {
    /// How the user authenticated (RFC 8176).
    amr: Vec<String>,
}

#[derive(Clone)]
struct App {
    auth: Auth<User>,
    alice: Arc<Factor>,
    tickets: Arc<Tickets>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    // A real application creates a secret for each user, shows it once, and stores it encrypted.
    let mut secret = [0; 20];
    getrandom::fill(&mut secret)?;
    let secret = Secret::from(secret);
    println!("alice's secret for the authenticator app: {}", secret.to_base32());
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app(SystemClock, secret)?).await?)
}

fn app(clock: impl Clock, secret: Secret) -> Result<Router, Box<dyn Error>> {
    let app = App {
        auth: auth(clock)?,
        alice: Arc::new(Factor::new(secret)?),
        tickets: Arc::new(Tickets::default()),
    };
    let close = post(routes::close).route_layer(app.auth.require_recent_login(RECENT));
    Ok(Router::new()
        .route("/login", post(routes::login))
        .route("/login/code", post(routes::code))
        .route("/reauthenticate", post(routes::reauthenticate))
        .route("/account", get(routes::account))
        .route("/account/close", close)
        .merge(app.auth.routes())
        .layer(app.auth.layer())
        .with_state(app))
}

fn auth(clock: impl Clock) -> Result<Auth<User>, ConfigError> {
    // A real application reads its key from a file that all its servers share, so that users stay logged in after a restart.
    Auth::builder(KeyRing::ephemeral()?)
        .issuer("http://localhost:3000")
        .audience("second-factor")
        .store(MemoryStore::new())
        .clock(clock)
        // The data of the session says how the user authenticated.
        .claims(|_subject, session| async move {
            let amr = str::from_utf8(session.data())?.split(' ').map(str::to_owned).collect();
            Ok::<_, str::Utf8Error>(Some(Identity::new(User { amr })))
        })
        .build()
}
