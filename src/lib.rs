//! Tower middleware that verifies access tokens and refreshes expired ones in the same request.
//!
//! A [`tower::Layer`](https://docs.rs/tower-layer) verifies the access token of each request. If the token has expired, the layer
//! refreshes it from a rotating refresh cookie *in the same request*: the handler sees the user, the response carries the new
//! cookies, and the client needs no code for it. The crate also has login and logout, detection of stolen refresh tokens, and
//! revocation of sessions.
//!
//! It promises three things. No honest user is logged out by parallel requests, by slow handlers, or by lost responses: two, and
//! one more every 12 hours. A stolen refresh token is detected, and its session ended, once the thief and the owner have used tokens
//! of different generations. A
//! request with a valid access token needs no store. `docs/model.md` and `SECURITY.md` in the repository have the limits. The
//! crate does not check passwords, store users or draw a login page, and it is not an OAuth authorization server.
//!
//! The [guide] explains how to use it: stores, clients, proxies, several servers, keys, roles, WebSockets, tuning, every default
//! with its reason, [troubleshooting](guide::troubleshooting), and how to move to this crate.
//!
//! # Example
//!
//! ```
//! use axum::{Json, Router, routing::{get, post}};
//! use serde::{Deserialize, Serialize};
//! use tower_refresh::{Auth, Authenticated, Identity, KeyRing, MemoryStore, Rejection, Session, TokenResponse};
//!
//! /// The application's claims, beside the standard claims.
//! #[derive(Serialize, Deserialize)]
//! struct User {
//!     name: String,
//! }
//!
//! async fn login(session: Session<User>) -> Result<Json<TokenResponse>, Rejection> {
//!     // … after checking the password:
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
//!         // Called at login and at each refresh: look the user up here.
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
//! request ─> 1 credentials   bearer token, access cookie, refresh cookie
//!            2 cross-site    do the cookies count?
//!            3 access token  is it valid, expired or invalid?
//!            4 load          only if it is absent, expired or near its expiry: which session does the refresh token belong to?
//!     inner service          sees the user
//!            5 commit        when the response head is ready: rotate the refresh token
//!            6 respond       set the cookies, forbid caching
//! ```
//!
//! 1. A bearer token is the only access token if there is one, and an invalid one is rejected. Access and refresh cookies that are
//!    too long, not canonical or forged count as absent. Of several valid ones the newest counts, if they are of one session.
//! 2. Cookies count for same-origin requests, and for top-level navigations with GET or HEAD. A request that another site starts is
//!    served without its cookies.
//! 3. A valid token needs no store, except in the last fifth of its lifetime: then it is refreshed ahead of its expiry, beside the
//!    handler, and the response may wait up to [`AuthBuilder::backend_timeout`] if the store hangs. This server knows the sessions
//!    that ended in the last minutes, and rejects their tokens.
//! 4. The session is loaded, the refresh token is classified with the rules of [`rotation`](tower_refresh_core::rotation), and the
//!    claims source is called. Concurrent requests with the same token share this.
//! 5. Until the response head is ready nothing is rotated: a request that is dropped before, or whose inner service returns an
//!    error, has rotated nothing. A response with status 500 is a response, and may rotate. A slow handler costs nothing either.
//! 6. Tokens are set on every status. The handler's own cookies stay, its caching headers are replaced.
//!
//! | outcome | when | [`Authenticated`] | `Option<Authenticated>` |
//! |---|---|---|---|
//! | authenticated | the access token is valid, or was refreshed | the user | `Some` |
//! | anonymous | no credentials, or cookies that are not valid | 401 | `None` |
//! | rejected | a bearer token that is invalid, revoked, or expired and not refreshed | 401 | 401 |
//! | rejected | two `Authorization` headers | 400 | 400 |
//! | cross-site | the cookies were ignored | 403 | 403 |
//! | invalid claims | the claims for a new access token do not fit into one | 500 | 500 |
//! | unavailable | the store or the claims source failed, and there is no valid access token | 503 | 503 |
//!
//! The layer rejects no request: the extractors do, and [`Auth::require_auth`].
//!
//! # Native clients
//!
//! Native, mobile and command line clients log in through [`Session::login_native`] and receive both tokens in the body. They
//! exchange the refresh token through [`Auth::refresh_token_grant`], with axum `Auth::token_route`: the refresh token grant of RFC
//! 6749 §6. The rules of rotation are the same, and cookies are not used.
//!
//! # Other services
//!
//! [`Verifier`] verifies the access tokens of an `Auth` elsewhere, or of an identity provider, with the same extractors and rejections, and
//! without a store: see the [guide](guide::services).
//!
//! # Without axum
//!
//! [`Authenticated::from_extensions`] and [`Session::from_extensions`] read the same values from the request of any tower service,
//! and [`Rejection::to_response`] makes its response.
//! [`RequireAuthLayer::with_response`](middleware::RequireAuthLayer::with_response) responds with any body type, tonic's for example.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `aws_lc_rs` | yes | cryptography with aws-lc-rs, which builds C code |
//! | `rust_crypto` | | cryptography with the RustCrypto crates, in pure Rust; if both are on, aws-lc-rs is used |
//! | `axum` | yes | extractors, `IntoResponse` for [`Rejection`], [`TokenError`] and [`NativeTokenResponse`], `Auth::routes`, `Auth::token_route` |
//! | `tokio` | yes | ending a session, and a [`Verifier`]'s fetch of keys, complete even if the client disconnects |
//! | `tracing` | | events and spans through `tracing`, target `tower_refresh` |
//! | `metrics` | | counters and histograms through `metrics` |
//! | `testing` | | for tests of applications: a manual clock, access tokens without a login, a client with a cookie jar; enables `axum` |
//!
//! Features are additive; without a cryptographic backend no key can be created.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod access_token;
mod assessment;
mod auth;
mod auth_inner;
#[cfg(feature = "axum")]
mod axum;
mod claims;
mod clock;
mod cookies;
mod credentials;
mod crypto;
mod device;
pub mod event;
#[cfg(any(doc, doctest))]
pub mod guide;
#[cfg(test)]
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
mod guide_tables;
mod jwks;
pub mod keys;
mod login_page;
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
mod verifier;
mod verifier_inner;

pub use tower_refresh_core::{
    LateBudget, MemoryStore, PolicyError, RotationPolicy, SessionHandle, Subject, Timestamp,
};

pub use self::{
    access_token::{InvalidClaimsReason, InvalidTokenReason},
    assessment::{Assessment, RefreshAttempt},
    auth::{Auth, AuthBuilder, ConfigError},
    claims::{CustomClaims, Identity, SessionInfo},
    clock::{Clock, SystemClock},
    keys::KeyRing,
    login_page::{InvalidLoginPage, safe_next},
    middleware::{RefreshLayer, VerifyLayer},
    native::{NativeTokenResponse, TokenError},
    rejection::{InvalidLoginOptionsReason, Rejection, RejectionKind},
    session::{Authenticated, LoginOptions, ReauthOptions, Session, TokenResponse},
    sessions::SessionPage,
    settings::{DeviceBinding, FeedLossPolicy},
    verifier::{Verifier, VerifierBuilder, VerifyError},
};

#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
struct Readme;
