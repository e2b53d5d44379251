//! The service with the layer, and an application that knows nothing of tokens; both run in the test's process.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Request},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use tokio::{net::TcpListener, sync::oneshot};
use tower_refresh::{
    Auth, Authenticated, Clock, Identity, KeyRing, MemoryStore, Rejection, Session, Timestamp,
    event::EventKind,
};

use super::login_service::forward_auth;

/// A server, until it is dropped.
struct Running {
    address: String,
    _stop: oneshot::Sender<()>,
}

pub(crate) struct Service {
    running: Running,
    clock: ManualClock,
    events: Arc<Mutex<Vec<EventKind>>>,
}

impl Service {
    pub(crate) fn start() -> Self {
        let (clock, events) = (ManualClock::now(), Arc::<Mutex<Vec<_>>>::default());
        let log = events.clone();
        let auth = Auth::builder(KeyRing::ephemeral().unwrap())
            .issuer("https://carriers.example.com")
            .audience("carriers")
            .store(MemoryStore::new())
            .clock(clock.clone())
            .claims(|_, _| async { Ok::<_, Infallible>(Some(Identity::new(()))) })
            .on_event(move |event| log.lock().unwrap().push(event.kind))
            .build()
            .unwrap();
        Self { running: Running::serve(routes(&auth)), clock, events }
    }

    pub(crate) fn address(&self) -> &str {
        &self.running.address
    }

    /// Lets the access token expire, and the next refresh rotate.
    pub(crate) fn expire(&self) {
        self.clock.0.fetch_add(EXPIRY.as_millis() as u64, Ordering::SeqCst);
    }

    /// The events of the sessions since the last call.
    pub(crate) fn take_events(&self) -> Vec<&'static str> {
        self.events.lock().unwrap().drain(..).map(EventKind::as_str).collect()
    }
}

/// Longer than the access token lives, and than the damping interval.
const EXPIRY: Duration = Duration::from_secs(601);

fn routes(auth: &Auth<()>) -> Router {
    let routes = Router::new()
        .route("/login", post(login).get(async || "please log in"))
        .route("/me", any(me))
        .route("/status/{code}", get(status))
        .route("/large/{bytes}", get(large))
        .route("/asset", get(asset))
        .merge(auth.routes())
        .layer(auth.layer());
    routes.merge(forward_auth(auth))
}

async fn login(session: Session<()>) -> Result<&'static str, Rejection> {
    session.login("alice").await.map(|_| "logged in")
}

async fn me(user: Authenticated<()>) -> String {
    user.subject().to_string()
}

async fn status(user: Authenticated<()>, Path(code): Path<u16>) -> Response {
    (StatusCode::from_u16(code).unwrap(), format!("{} of {}", code, user.subject())).into_response()
}

/// A response head of at least this size.
async fn large(_: Authenticated<()>, Path(bytes): Path<usize>) -> impl IntoResponse {
    const PART: usize = 1000;
    let mut headers = HeaderMap::new();
    for _ in 0..bytes.div_ceil(PART) {
        headers
            .append(HeaderName::from_static("x-padding"), HeaderValue::try_from("a".repeat(PART)).unwrap());
    }
    (headers, "large")
}

/// The same for all users, and so for shared caches, which must revalidate it.
async fn asset(headers: HeaderMap) -> Response {
    const TAG: &str = "\"1\"";
    let caching = [(header::ETAG, TAG), (header::CACHE_CONTROL, "public, max-age=1")];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|tag| tag == TAG) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, "asset").into_response()
}

/// What has reached an application: its user, the cookies and the body.
pub(crate) struct Application {
    running: Running,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Application {
    pub(crate) fn start() -> Self {
        let requests = Arc::<Mutex<Vec<_>>>::default();
        let log = requests.clone();
        let handler = move |request: Request| {
            let log = log.clone();
            async move {
                let (head, body) = request.into_parts();
                let body: Bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
                let header = |name: &str| {
                    head.headers
                        .get(name)
                        .map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
                };
                let line = format!(
                    "{} {} user={} body={}",
                    head.method,
                    head.uri,
                    header("x-user"),
                    String::from_utf8_lossy(&body)
                );
                log.lock().unwrap().push(format!("{line} cookies={}", header("cookie")));
                line
            }
        };
        let router = Router::new().fallback(any(handler));
        Self { running: Running::serve(router), requests }
    }

    pub(crate) fn address(&self) -> &str {
        &self.running.address
    }

    /// The requests since the last call.
    pub(crate) fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

impl Running {
    fn serve(router: Router) -> Self {
        let (started, address) = mpsc::channel::<SocketAddr>();
        let (stop, stopped) = oneshot::channel::<()>();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                started.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    result = axum::serve(listener, router) => result.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self { address: address.recv().unwrap().to_string(), _stop: stop }
    }
}

#[derive(Clone)]
struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    fn now() -> Self {
        let since_epoch = SystemTime::UNIX_EPOCH.elapsed().unwrap();
        Self(Arc::new(AtomicU64::new(since_epoch.as_millis() as u64)))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}
