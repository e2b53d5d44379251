//! `async fn(Request) -> Response` for people who are logged in, and stay so.
//!
//! A [`tower::Layer`](https://docs.rs/tower-layer) that checks the access token of each request and, when it has expired,
//! refreshes it from a rotating refresh cookie *in the same request*: the handler sees a logged-in user, the response
//! carries the new cookies, and no client code takes part. Around it are login and logout, the detection of stolen
//! tokens, and the revocation of sessions.
//!
//! What it promises: an honest user is never logged out by accident, a stolen refresh token ends its session once copy and
//! original part ways, and a request with a valid token asks no store. What it does not do: it checks no passwords, keeps
//! no users, draws no login page, and is no OAuth authorization server.
//!
//! The [guide] is about putting it to use: stores, clients, proxies, several servers, keys, roles, WebSockets, tuning, every
//! default with its reason, [troubleshooting](guide::troubleshooting), and moving here from elsewhere.
//!
//! # Example
//!
//! ```
//! use axum::{Json, Router, routing::{get, post}};
//! use serde::{Deserialize, Serialize};
//! use tower_refresh::{Auth, Authenticated, Identity, KeyRing, MemoryStore, Rejection, Session, TokenResponse};
//!
//! /// What the access token says of a user, besides the standard claims.
//! #[derive(Serialize, Deserialize)]
//! struct User {
//!     name: String,
//! }
//!
//! async fn login(session: Session<User>) -> Result<Json<TokenResponse>, Rejection> {
//!     // … after the password was checked:
//!     Ok(Json(session.login("alice").await?))
//! }
//!
//! async fn me(user: Authenticated<User>) -> String {
//!     format!("hello {}", user.claims().name)
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let auth = Auth::builder(KeyRing::hs256(b"32 random bytes, read from a file")?)
//!     .issuer("https://api.example.com")
//!     .audience("example-web")
//!     .store(MemoryStore::new())
//!     .claims(|subject, _session| async move {
//!         // Asked at login and at each refresh: the place to look the user up.
//!         Ok::<_, std::io::Error>(Some(Identity::new(User { name: subject.to_string() }).scope("user")))
//!     })
//!     .build()?;
//!
//! let app: Router = Router::new()
//!     .route("/login", post(login))
//!     .route("/me", get(me))
//!     .merge(auth.routes())
//!     .layer(auth.layer());
//! # Ok(())
//! # }
//! ```
//!
//! # The journey of a request
//!
//! ```text
//! request ─> 1 credentials   bearer header, access cookie, refresh cookie
//!            2 cross-site    do the cookies count?
//!            3 verify        the access token: valid, expired, or refused
//!            4 refresh (a)   only if it is absent, expired or near its end: who holds the refresh token?
//!     inner service          sees the user in this very request
//!            5 refresh (b)   when the response head is ready: rotate
//!            6 respond       set the cookies, forbid caching
//! ```
//!
//! 1. A bearer header, where there is one, is the only access token, and a bad one is refused. Access and refresh cookies
//!    that are too long, not canonical or forged count as absent; of several that hold the newest counts, if they are of one
//!    session.
//! 2. Cookies count for requests of the same origin and for top-level navigations with GET or HEAD; what another site
//!    starts is served as if it carried none.
//! 3. A valid token asks no store. The ended sessions of the last minutes are known to this server and refused.
//! 4. The session is loaded, the refresh token classified by the rules of [`rotation`](tower_refresh_core::rotation), and
//!    the claims source asked anew. Concurrent requests with one token share this.
//! 5. A request that was dropped, or whose handler failed, has rotated nothing. A slow handler costs nothing either.
//! 6. On every status. The handler's own cookies stay, what it said of caching does not.
//!
//! | outcome | when | [`Authenticated`] | `Option<Authenticated>` |
//! |---|---|---|---|
//! | authenticated | a valid token, or refreshed | the user | `Some` |
//! | anonymous | nothing sent, or cookies that do not hold | 401 | `None` |
//! | rejected | a bearer header that is invalid, revoked, or expired and not refreshed; two of them | 401; two: 400 | 401; two: 400 |
//! | cross-site | the cookies were refused | 403 | 403 |
//! | unavailable | the store or the claims source failed, and no access token is valid | 503 | 503 |
//!
//! The layer itself refuses nothing: the extractors do, and [`Auth::require_auth`].
//!
//! # Native clients
//!
//! Native, mobile and command line clients log in by [`Session::login_native`] and have both tokens in the body; they
//! exchange the refresh token by [`Auth::refresh_token_grant`], with axum `Auth::token_route`: the refresh token grant of RFC
//! 6749 §6. The rules of rotation are the same, and no cookie takes part.
//!
//! # Without axum
//!
//! [`Authenticated::from_extensions`] and [`Session::from_extensions`] read the same values from the request of any tower
//! service; [`RequireAuthLayer::with_response`] answers in any body type, tonic's among them.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `aws_lc_rs` | yes | cryptography by aws-lc-rs |
//! | `rust_crypto` | | cryptography by RustCrypto's crates; with both on, aws-lc-rs is used |
//! | `axum` | yes | extractors, `IntoResponse` for [`Rejection`], [`TokenError`] and [`NativeTokenResponse`], `Auth::routes`, `Auth::token_route` |
//! | `tokio` | yes | the end of a session outlives a dropped request |
//! | `tracing` | | events through `tracing`, target `tower_refresh` |
//! | `metrics` | | counters and histograms through `metrics` |
//! | `testing` | | the module `testing`, for the tests of applications |
//!
//! A feature only adds. Without a cryptographic backend everything compiles, and no key can be made.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod access_token;
mod auth;
mod auth_inner;
#[cfg(feature = "axum")]
mod axum;
mod claims;
mod clock;
mod cookies;
mod credentials;
mod crypto;
pub mod event;
#[cfg(any(doc, doctest))]
pub mod guide;
pub mod keys;
pub mod middleware;
mod native;
mod refresh;
mod refresh_token;
mod rejection;
mod session;
mod sessions;
mod settings;
mod state;
pub mod store;
mod sync;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
mod timeout;
mod tokens;

pub use tower_refresh_core::{
    LateBudget, MemoryStore, PolicyError, RotationPolicy, SessionHandle, Subject, Timestamp,
};

pub use self::{
    access_token::InvalidTokenReason,
    auth::{Auth, AuthBuilder, ConfigError},
    claims::{CustomClaims, Identity, SessionInfo},
    clock::{Clock, SystemClock},
    keys::KeyRing,
    middleware::RefreshLayer,
    native::{NativeTokenResponse, TokenError},
    rejection::{Rejection, RejectionKind},
    session::{Authenticated, LoginOptions, Session, TokenResponse},
    settings::FeedLossPolicy,
};

#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
struct Readme;
