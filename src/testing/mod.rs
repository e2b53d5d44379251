//! Helpers for tests of applications: a manual clock, access tokens without a login, and a client with a cookie jar.
//!
//! Enable the feature `testing` for tests only, so that a server cannot issue tokens without a login:
//!
//! ```toml
//! [dev-dependencies]
//! tower-refresh = { version = "0.1", features = ["testing"] }
//! ```
//!
//! # A protected handler
//!
//! ```
//! # use axum::{Router, http::StatusCode, routing::get};
//! # use serde::{Deserialize, Serialize};
//! # use tower_refresh::{Auth, Authenticated, Identity, KeyRing, MemoryStore};
//! use tower_refresh::testing::{Client, access_token};
//! # #[derive(Clone, Serialize, Deserialize)]
//! # struct User { name: String }
//! # fn auth() -> Auth<User> {
//! #     Auth::builder(KeyRing::hs256([7; 32]).unwrap())
//! #         .issuer("https://api.example.com").audience("example-web").store(MemoryStore::new())
//! #         .claims(|_, _| async { Ok::<_, std::convert::Infallible>(None::<Identity<User>>) })
//! #         .build().unwrap()
//! # }
//! # fn app(auth: &Auth<User>) -> Router {
//! #     async fn me(user: Authenticated<User>) -> String { format!("hello {}", user.claims().name) }
//! #     Router::new().route("/me", get(me)).layer(auth.layer())
//! # }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let auth = auth(); // as in production, except for the store: `MemoryStore`
//! let mut client = Client::new(app(&auth));
//! assert_eq!(client.get("/me").await.status(), StatusCode::UNAUTHORIZED);
//!
//! client.bearer(access_token(&auth, "alice", Identity::new(User { name: "Alice".into() })).unwrap());
//! assert_eq!(client.get("/me").await.body(), "hello Alice");
//! # }
//! ```
//!
//! # A login that outlives its access token
//!
//! ```
//! # use axum::{Json, Router, routing::{get, post}};
//! # use std::{convert::Infallible, time::Duration};
//! # use tower_refresh::{Auth, Authenticated, Identity, KeyRing, MemoryStore, Rejection, Session, TokenResponse};
//! use tower_refresh::testing::{Client, ManualClock};
//! # fn auth(clock: ManualClock) -> Auth<()> {
//! #     Auth::builder(KeyRing::hs256([7; 32]).unwrap())
//! #         .issuer("https://api.example.com").audience("example-web").store(MemoryStore::new()).clock(clock)
//! #         .claims(|_, _| async { Ok::<_, Infallible>(Some(Identity::new(()))) })
//! #         .build().unwrap()
//! # }
//! # fn app(auth: &Auth<()>) -> Router {
//! #     async fn login(session: Session<()>, name: String) -> Result<Json<TokenResponse>, Rejection> {
//! #         Ok(Json(session.login(name).await?))
//! #     }
//! #     async fn me(user: Authenticated<()>) -> String { user.subject().to_string() }
//! #     Router::new().route("/login", post(login)).route("/me", get(me)).layer(auth.layer())
//! # }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let clock = ManualClock::new();
//! let mut client = Client::new(app(&auth(clock.clone())));
//! client.post("/login", "alice").await;
//!
//! clock.advance(Duration::from_secs(60 * 60));
//!
//! assert_eq!(client.get("/me").await.body(), "alice"); // refreshed in the same request
//! # }
//! ```

mod client;
mod clock;
mod token;

pub use self::{
    client::Client,
    clock::ManualClock,
    token::{TestTokenError, access_token, authenticated},
};
