//! A service behind the layer, and logins to it.

use std::{
    convert::Infallible,
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
    Timestamp, middleware::Refresh,
};

use crate::{algorithm::Algorithm, requests};

/// Who issues the tokens.
pub const ISSUER: &str = "https://api.example.com";
/// Whom they are for.
pub const AUDIENCE: &str = "example-web";

/// The claims of the application's own.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs, reason = "nobody depends on a benchmark")]
pub struct User {
    /// A name to show.
    pub name: String,
}

/// What a browser holds after its login.
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
    /// Where everything runs.
    pub runtime: Rc<Runtime>,
    /// The layer's handle.
    pub auth: Auth<User>,
}

impl Ours {
    /// With the defaults of the builder.
    pub fn new(algorithm: Algorithm) -> Self {
        Self::with(algorithm, |builder| builder)
    }

    /// With other settings.
    pub fn with(
        algorithm: Algorithm,
        configure: impl FnOnce(AuthBuilder<User>) -> AuthBuilder<User>,
    ) -> Self {
        let runtime = requests::runtime();
        let builder = Auth::builder(algorithm.ring())
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .store(MemoryStore::new())
            .claims(|_subject, _session| async {
                Ok::<_, Infallible>(Some(Identity::new(User { name: "Alice".to_owned() }).scope("user")))
            });
        // Inside the runtime the store's feed is followed, as in a server.
        let auth = runtime.block_on(async { configure(builder).build().unwrap() });
        Self { runtime, auth }
    }

    /// The layer on each route.
    pub fn by_router_layer(&self) -> Router {
        by_router_layer(&self.auth)
    }

    /// The layer around the whole router.
    pub fn around_router(&self) -> Refresh<Router, User> {
        self.auth.layer().layer(Router::new().route("/me", get(me)).with_state(()))
    }

    /// Logs a user in.
    pub fn login(&self) -> Tokens {
        let router = Router::new().route("/login", post(login)).layer(self.auth.layer());
        let request = Request::post("/login").header("host", "api.example.com").body(Body::empty()).unwrap();
        let Ok(response) = self.runtime.block_on(router.oneshot(request));
        let cookie = |name: &str| {
            let mut fields = response.headers().get_all("set-cookie").iter();
            let value = |field: &str| field.strip_prefix(name)?.split(';').next().map(str::to_owned);
            fields.find_map(|field| value(field.to_str().unwrap())).unwrap()
        };
        Tokens { access: cookie("__Host-access="), refresh: cookie("__Host-refresh=") }
    }
}

/// The layer on each route.
pub fn by_router_layer(auth: &Auth<User>) -> Router {
    Router::new().route("/me", get(me)).layer(auth.layer()).with_state(())
}

impl Tokens {
    /// The field of a browser that has both.
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

/// The system's clock, which can be put forward.
#[derive(Clone, Debug, Default)]
pub struct AheadClock(Arc<AtomicU64>);

impl AheadClock {
    /// Lets every access token expire that was issued so far.
    pub fn expire_access_tokens(&self) {
        self.0.fetch_add(601, Ordering::Relaxed);
    }
}

impl Clock for AheadClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().saturating_add(Duration::from_secs(self.0.load(Ordering::Relaxed)))
    }
}
