//! A service behind the layer, and its logins.

use std::{
    convert::Infallible,
    future::ready,
    hint::black_box,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;
use tower::{Layer, ServiceExt};
use tower_refresh::{
    Auth, AuthBuilder, Authenticated, Clock, Identity, MemoryStore, Rejection, Session, SystemClock,
    Timestamp, Verifier,
    middleware::{Refresh, Verify},
};

use crate::{algorithm::Algorithm, requests};

/// The issuer of the tokens.
pub const ISSUER: &str = "https://api.example.com";
/// The audience of the tokens.
pub const AUDIENCE: &str = "example-web";

/// The application's own claims.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs, reason = "no crate depends on a benchmark")]
pub struct User {
    /// The display name.
    pub name: String,
}

/// The tokens of a browser after login.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
}

/// A service behind the layer.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ours {
    /// The runtime of the service.
    pub runtime: Rc<Runtime>,
    /// The `Auth` handle.
    pub auth: Auth<User>,
}

impl Ours {
    /// A service with the builder's defaults.
    pub fn new(algorithm: Algorithm) -> Self {
        Self::with(algorithm, |builder| builder)
    }

    /// A service with other settings.
    pub fn with(
        algorithm: Algorithm,
        configure: impl FnOnce(AuthBuilder<User>) -> AuthBuilder<User>,
    ) -> Self {
        Self::on(requests::runtime(), algorithm, configure)
    }

    /// A service on another runtime.
    pub fn on(
        runtime: Rc<Runtime>,
        algorithm: Algorithm,
        configure: impl FnOnce(AuthBuilder<User>) -> AuthBuilder<User>,
    ) -> Self {
        let builder = Auth::builder(algorithm.ring())
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .store(MemoryStore::new())
            .claims(|_subject, _session| async {
                Ok::<_, Infallible>(Some(Identity::new(User { name: "Alice".to_owned() }).scope("user")))
            });
        // Inside the runtime, as in a server: the builder starts to follow the store's feed.
        let auth = runtime.block_on(async { configure(builder).build().unwrap() });
        Self { runtime, auth }
    }

    /// A router with the layer on each route.
    pub fn with_layer_on_routes(&self) -> Router {
        with_layer_on_routes(&self.auth)
    }

    /// The layer around the whole router.
    pub fn with_layer_around(&self) -> Refresh<Router, User> {
        self.auth.layer().layer(Router::new().route("/me", get(me)).with_state(()))
    }

    /// A router of another service, which verifies the tokens, with the layer on each route.
    pub fn with_verifier_on_routes(&self) -> Router {
        Router::new().route("/me", get(me)).layer(self.verifier().layer()).with_state(())
    }

    /// The layer of another service around its whole router.
    pub fn with_verifier_around(&self) -> Verify<Router, User> {
        self.verifier().layer().layer(Router::new().route("/me", get(me)).with_state(()))
    }

    fn verifier(&self) -> Verifier<User> {
        let document = self.auth.jwks().to_string();
        let builder = Verifier::builder()
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .jwks(move || ready(Ok::<_, Infallible>(document.clone())))
            .ended_sessions(MemoryStore::new());
        self.runtime.block_on(async { builder.build().unwrap() })
    }

    /// Logs a user in.
    pub fn login(&self) -> Tokens {
        let router = Router::new().route("/login", post(login)).layer(self.auth.layer());
        let request = Request::post("/login").header("host", "api.example.com").body(Body::empty()).unwrap();
        let Ok(response) = self.runtime.block_on(router.oneshot(request));
        let cookie = |name: &str| {
            let mut headers = response.headers().get_all("set-cookie").iter();
            let value = |header: &str| header.strip_prefix(name)?.split(';').next().map(str::to_owned);
            headers.find_map(|header| value(header.to_str().unwrap())).unwrap()
        };
        Tokens { access: cookie("__Host-access="), refresh: cookie("__Host-refresh=") }
    }
}

/// A router with the layer on each route.
pub fn with_layer_on_routes(auth: &Auth<User>) -> Router {
    Router::new().route("/me", get(me)).layer(auth.layer()).with_state(())
}

impl Tokens {
    /// The `Cookie` header of a browser with both tokens.
    pub fn cookies(&self) -> String {
        format!("__Host-access={}; __Host-refresh={}", self.access, self.refresh)
    }
}

async fn me(user: Authenticated<User>) -> &'static str {
    black_box(&user.claims().name);
    "hello"
}

async fn login(session: Session<User>) -> Result<(), Rejection> {
    session.login("alice").await.map(|_| ())
}

/// A clock that can run ahead of the system's.
#[derive(Clone, Debug, Default)]
pub struct AheadClock(Arc<AtomicU64>);

impl AheadClock {
    /// Advances the clock until all issued access tokens have expired.
    pub fn expire_access_tokens(&self) {
        self.0.fetch_add(601, Ordering::Relaxed);
    }
}

impl Clock for AheadClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().saturating_add(Duration::from_secs(self.0.load(Ordering::Relaxed)))
    }
}
