//! The smallest application: a login form in JSON, one protected route, sessions in memory.
//!
//! ```text
//! cargo run --example quickstart        # or: -- 127.0.0.1:8080
//! curl -si -c jar -X POST localhost:3000/login -H 'content-type: application/json' \
//!      -d '{"username":"alice","password":"alice-password"}'
//! curl -s -b jar -c jar localhost:3000/me          # hello Alice
//! curl -s -b jar -c jar -X POST localhost:3000/auth/logout
//! curl -s -b jar localhost:3000/me                 # 401
//! ```

use std::{convert::Infallible, env, error::Error};

use axum::{
    Json, Router,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use tower_refresh::{Auth, Authenticated, Identity, KeyRing, MemoryStore, Session};

/// The claims of a user in the access token, besides the standard ones.
#[derive(Serialize, Deserialize)]
struct User {
    name: String,
}

#[derive(Deserialize)]
struct LoginForm {
    username: String,
    password: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A real application reads its key from a file that all its servers share, so that users stay logged in after a restart.
    let auth = Auth::builder(KeyRing::ephemeral()?)
        .issuer("http://localhost:3000")
        .audience("quickstart")
        .store(MemoryStore::new())
        .claims(|subject, _session| async move {
            let known = (subject.as_str() == "alice").then(|| User { name: "Alice".to_owned() });
            Ok::<_, Infallible>(known.map(Identity::new))
        })
        .build()?;

    let app = Router::new()
        .route("/login", post(login))
        .route("/me", get(me))
        .merge(auth.routes())
        .layer(auth.layer());

    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

async fn login(
    session: Session<User>,
    Json(form): Json<LoginForm>,
) -> Result<Response, tower_refresh::Rejection> {
    // A real application verifies a password hash.
    if (form.username.as_str(), form.password.as_str()) != ("alice", "alice-password") {
        return Ok(StatusCode::UNAUTHORIZED.into_response());
    }
    Ok(Json(session.login(form.username).await?).into_response())
}

async fn me(user: Authenticated<User>) -> String {
    format!("hello {}\n", user.claims().name)
}
