//! The application: the `Auth` handle, the routes, and the layers around them.

use std::{
    convert::Infallible,
    io::{self, Write},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use axum::{
    Router,
    extract::ConnectInfo,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{from_fn_with_state, map_response},
};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::{broadcast, watch};
use tower_http::cors::CorsLayer;
use tower_refresh::{
    Auth, AuthBuilder, DeviceBinding, MemoryStore, SessionHandle, event::EventKind, store::SessionStore,
};
use tower_refresh_postgres::PostgresStore;
use tower_refresh_redis::{OpenError, OpenErrorKind, RedisOptions, RedisStore, Server};
use tower_refresh_sqlite::SqliteStore;
#[cfg(feature = "sqlx")]
use tower_refresh_sqlx::SqlxOptions;

#[cfg(feature = "sqlx")]
use crate::sqlx_store;
use crate::{
    cookies, family,
    keys::Keys,
    options::{Assess, Options},
    page,
    problem::{self, Problem},
    routes,
    store::StoreUrl,
    thief::{ClockAhead, Thief},
    users::{Claims, Users},
};

const REDIS_WITHOUT_TLS: &str = "warning: the connection to Redis crosses a network without TLS";

/// The session ends that are buffered for a WebSocket. One that falls further behind queries the store instead.
const BUFFERED_SESSION_ENDS: usize = 256;

/// The state of the handlers.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) auth: Auth<Claims>,
    pub(crate) users: Users,
    pub(crate) metrics: PrometheusHandle,
    /// Becomes true when the server shuts down. The server waits until all receivers are dropped.
    pub(crate) stopping: Arc<watch::Sender<bool>>,
    /// Reports the sessions that this server ends.
    pub(crate) ended: broadcast::Sender<SessionHandle>,
    pub(crate) access_lifetime: Duration,
    /// Of the response to a wrong password.
    pub(crate) challenge: HeaderValue,
}

/// The router, and what `main` needs besides.
pub(crate) struct Built {
    pub(crate) router: Router,
    pub(crate) auth: Auth<Claims>,
    /// Whether the keys exist only until the process exits.
    pub(crate) fresh_keys: bool,
}

/// Builds the application on the store with this URL.
pub(crate) async fn build(
    options: &Options,
    url: &StoreUrl,
    metrics: PrometheusHandle,
    stopping: Arc<watch::Sender<bool>>,
) -> Result<Built> {
    match url {
        StoreUrl::Memory => on_store(options, url, MemoryStore::new(), metrics, stopping),
        StoreUrl::Sqlite(file) => {
            let store = SqliteStore::open(file).await.with_context(|| format!("the store {url}"))?;
            on_store(options, url, store, metrics, stopping)
        }
        StoreUrl::Postgres(server) => {
            let store = PostgresStore::connect(server).await.with_context(|| format!("the store {url}"))?;
            on_store(options, url, store, metrics, stopping)
        }
        #[cfg(feature = "sqlx")]
        StoreUrl::Sqlx(server) => {
            let store = sqlx_store::open(SqlxOptions::new(), server)
                .await
                .with_context(|| format!("the store {url}"))?;
            on_store(options, url, store, metrics, stopping)
        }
        StoreUrl::Redis(server) => {
            let store =
                redis(RedisOptions::new(), server).await.with_context(|| format!("the store {url}"))?;
            on_store(options, url, store, metrics, stopping)
        }
    }
}

/// The challenge without an error code (RFC 6750 §3), with the library's realm.
fn challenge(issuer: &str) -> Result<HeaderValue> {
    let realm = issuer.replace('\\', "\\\\").replace('"', "\\\"");
    HeaderValue::try_from(format!("Bearer realm=\"{realm}\"")).context("invalid issuer")
}

/// Connects even without TLS, since this is a demo, and prints a warning.
pub(crate) async fn redis(options: RedisOptions, url: &str) -> Result<RedisStore, OpenError> {
    let server = match Server::url(url) {
        Err(error) if error.kind() == OpenErrorKind::TlsRequired => {
            let _ = writeln!(io::stderr(), "{REDIS_WITHOUT_TLS}");
            Server::insecure_url(url)?
        }
        server => server?,
    };
    options.connect(server).await
}

pub(crate) fn on_store<S: SessionStore + Clone>(
    options: &Options,
    url: &StoreUrl,
    store: S,
    metrics: PrometheusHandle,
    stopping: Arc<watch::Sender<bool>>,
) -> Result<Built> {
    let keys = Keys::load(options, url.database())?;
    let users = Users::new();
    let clock = ClockAhead::default();
    let ended = broadcast::Sender::new(BUFFERED_SESSION_ENDS);
    let why_ended = routes::ended(store.clone());
    let auth = builder(options, &keys, store.clone(), &users, &ended)?.build()?;
    let ahead = builder(options, &keys, store, &users, &ended)?.clock(clock.clone()).build()?;
    let access_lifetime = options.policy().access_lifetime;
    let challenge = challenge(&options.names.issuer)?;
    let app = App { auth: auth.clone(), users, metrics, stopping, ended, access_lifetime, challenge };
    let ahead = App { auth: ahead, ..app.clone() };
    let names = options.cookie_names();
    let damping = options.policy().damping;
    let is_enforced = options.device_binding() == Some(DeviceBinding::Enforce);
    let thief = Thief::new(protected(app.clone())?, protected(ahead)?, clock, names, damping, is_enforced);

    let router = protected(app.clone())?
        .merge(routes::steal(thief).layer(auth.layer()))
        .merge(page::assets())
        .merge(routes::operations(app))
        .merge(why_ended)
        .merge(routes::expire(names))
        .layer(map_response(problem::from_any_error))
        .layer(from_fn_with_state(names, cookies::explain));
    let router = with_cors(router, &options.trusted_origin)?;
    Ok(Built { router, auth, fresh_keys: keys.fresh })
}

/// The routes behind the authentication layer.
fn protected(app: App) -> Result<Router> {
    let auth = app.auth.clone();
    let router = Router::new()
        .merge(page::index())
        .merge(routes::all(app)?)
        .merge(auth.routes())
        .merge(auth.token_route())
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing here"))
        .layer(auth.layer());
    Ok(router)
}

fn builder<S: SessionStore>(
    options: &Options,
    keys: &Keys,
    store: S,
    users: &Users,
    ended: &broadcast::Sender<SessionHandle>,
) -> Result<AuthBuilder<Claims>> {
    let (users, ended) = (users.clone(), ended.clone());
    let mut builder = Auth::builder(keys.ring()?)
        .issuer(&options.names.issuer)
        .audience(&options.names.audience)
        .store(store)
        .claims(move |subject, session| {
            let identity = users.identity(subject.as_str(), session.data());
            async move { Ok::<_, Infallible>(identity) }
        })
        .on_event(move |event| {
            if let (EventKind::End(_), Some(session)) = (event.kind, event.session) {
                // An error means that no WebSocket is open.
                let _ = ended.send(session);
            }
        })
        .policy(options.policy())
        .access_header(options.access_header)
        .access_cookie(options.access_cookie)
        .client_ip(|_headers, extensions| {
            extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip().to_canonical())
        });
    if options.assess == Some(Assess::UserAgent) {
        builder = builder.assess(family::assess);
    }
    if let Some(binding) = options.device_binding() {
        builder = builder.device_binding(binding);
    }
    if options.insecure_http {
        builder = builder.insecure_http_cookies();
    }
    for origin in &options.trusted_origin {
        builder = builder.trusted_origin(origin);
    }
    Ok(builder)
}

/// Lets scripts of trusted origins read responses.
fn with_cors(router: Router, trusted: &[String]) -> Result<Router> {
    if trusted.is_empty() {
        return Ok(router);
    }
    let origins = trusted.iter().map(HeaderValue::try_from).collect::<Result<Vec<_>, _>>()?;
    let cors = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose_headers([HeaderName::from_static("x-access-token"), header::WWW_AUTHENTICATE])
        .allow_credentials(true);
    Ok(router.layer(cors))
}
