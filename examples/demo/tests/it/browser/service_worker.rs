//! A service worker that passes every request on, as those of many applications do. What it leaves of a navigation has the
//! destination `empty`.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header::CONTENT_TYPE},
    middleware::{Next, from_fn_with_state},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use fantoccini::Locator;
use tokio::{net::TcpListener, task::JoinHandle};
use tower_refresh::{Auth, Authenticated, Identity, KeyRing, MemoryStore, Rejection, Session};

use super::support::Browser;

const ACCESS: &str = "__Host-access";
const REFRESH: &str = "__Host-refresh";

const WORKER: &str = "
    addEventListener('install', () => skipWaiting());
    addEventListener('activate', (event) => event.waitUntil(clients.claim()));
    addEventListener('fetch', (event) => event.respondWith(fetch(event.request)));";

/// `Sec-Fetch-Site`, `-Mode` and `-Dest` of a request, after its method and path.
type Seen = Arc<Mutex<Vec<String>>>;

/// An application with a worker at `/worker.js`.
struct App {
    port: u16,
    seen: Seen,
    task: JoinHandle<()>,
}

impl App {
    async fn start() -> Self {
        let auth = Auth::builder(KeyRing::ephemeral().unwrap())
            .issuer("app")
            .audience("app")
            .store(MemoryStore::new())
            .claims(|_, _| async { Ok::<_, Infallible>(Some(Identity::new(()))) })
            .build()
            .unwrap();
        let seen = Seen::default();
        let router = Router::new()
            .route("/", get(page).post(page))
            .route("/other", get(page))
            .route("/login", post(login))
            .layer(auth.layer())
            .route("/worker.js", get(([(CONTENT_TYPE, "text/javascript")], WORKER)))
            .layer(from_fn_with_state(seen.clone(), record));
        let (port, task) = serve(router).await;
        Self { port, seen, task }
    }

    fn url(&self) -> String {
        format!("http://localhost:{}/", self.port)
    }

    /// The last request as the server saw it.
    fn last(&self) -> String {
        self.seen.lock().unwrap().last().unwrap().clone()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(router: Router) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }))
}

async fn record(State(seen): State<Seen>, request: Request, next: Next) -> Response {
    let header = |name| request.headers().get(name).map_or("-", |value| value.to_str().unwrap());
    let fetch = ["sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest"].map(header).join(" ");
    if !["/worker.js", "/favicon.ico"].contains(&request.uri().path()) {
        seen.lock().unwrap().push(format!("{} {} {fetch}", request.method(), request.uri().path()));
    }
    next.run(request).await
}

async fn login(session: Session<()>) -> Result<StatusCode, Rejection> {
    session.login("alice").await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows the user, with a link and a form to pages of the application.
async fn page(user: Result<Option<Authenticated<()>>, Rejection>) -> Response {
    let name = match user {
        Ok(user) => user.map_or("anonymous".to_owned(), |user| user.subject().to_string()),
        Err(rejection) => return rejection.into_response(),
    };
    let forms = "<a href=/other>other</a><form method=post action=/><button>send</button></form>";
    Html(format!("<!doctype html><title>app</title><p>{name}</p>{forms}")).into_response()
}

/// Clicks, and waits until another document has come.
async fn follow(browser: &Browser, selector: &str) {
    browser.run("window.isOld = true").await;
    browser.click(selector).await;
    browser.until("the next page comes", "return !window.isOld && document.readyState === 'complete'").await;
}

async fn drop_access(browser: &Browser) {
    browser.client.delete_cookie(ACCESS).await.unwrap();
    assert_eq!(browser.cookie(ACCESS).await, None);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_service_worker_that_passes_requests_on_locks_no_user_out_and_opens_nothing() {
    let app = App::start().await;
    // Another site: browsers take an address and `localhost` for two.
    let link =
        format!("<a href={0}>in</a><form method=post action={0}><button>attack</button></form>", app.url());
    let elsewhere = Router::new().route("/", get(|| async { Html(link) }));
    let (port, elsewhere) = serve(elsewhere).await;
    let elsewhere_url = format!("http://127.0.0.1:{port}/");
    let browser = Browser::start().await;

    browser.open(&app.url()).await;
    assert_eq!(browser.run("return (await fetch('/login', { method: 'POST' })).status").await, 204);
    browser
        .run(
            "await navigator.serviceWorker.register('/worker.js');
             await navigator.serviceWorker.ready;
             if (!navigator.serviceWorker.controller)
                 await new Promise((done) => navigator.serviceWorker.addEventListener('controllerchange', done));",
        )
        .await;

    // The application's own pages are refreshed.
    drop_access(&browser).await;
    follow(&browser, "a").await;
    assert_eq!(app.last(), "GET /other same-origin navigate empty");
    assert_eq!(browser.text("p").await, "alice");
    assert!(browser.cookie(ACCESS).await.is_some());
    drop_access(&browser).await;
    follow(&browser, "button").await;
    assert_eq!(app.last(), "POST / same-origin navigate empty");
    assert_eq!(browser.text("p").await, "alice");
    assert!(browser.cookie(ACCESS).await.is_some());

    // A link from another site is let in, and reads only.
    drop_access(&browser).await;
    let refresh = browser.cookie(REFRESH).await;
    browser.open(&elsewhere_url).await;
    follow(&browser, "a").await;
    assert_eq!(app.last(), "GET / cross-site navigate empty");
    assert_eq!(browser.text("p").await, "alice");
    assert_eq!((browser.cookie(ACCESS).await, browser.cookie(REFRESH).await), (None, refresh));

    // A form of another site is not let in, whatever the worker leaves of it.
    browser.open(&elsewhere_url).await;
    follow(&browser, "button").await;
    assert_eq!(app.last(), "POST / cross-site navigate empty");
    assert!(!browser.text("body").await.contains("alice"));

    // The user is logged in as before.
    browser.open(&app.url()).await;
    assert_eq!(browser.text("p").await, "alice");
    assert!(browser.client.find(Locator::Css("form")).await.is_ok());
    assert!(browser.cookie(ACCESS).await.is_some());
    elsewhere.abort();
}
