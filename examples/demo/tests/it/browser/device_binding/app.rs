//! An application with a login form, a callback for an identity provider, and a service worker.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::Query,
    http::header::CONTENT_TYPE,
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde::Deserialize;
use tokio::{net::TcpListener, task::JoinHandle};
use tower_refresh::{
    Auth, Authenticated, DeviceBinding, Identity, KeyRing, MemoryStore, Rejection, Session, event::EventKind,
};

use super::{
    super::support::{Browser, Certificate, Proxy},
    support::{REFRESH, REGISTER},
};

/// Passes every request on.
const WORKER: &str = "
    addEventListener('install', () => skipWaiting());
    addEventListener('activate', (event) => event.waitUntil(clients.claim()));
    addEventListener('fetch', (event) => event.respondWith(fetch(event.request)));";

/// Has the browser send navigations beside it.
const PRELOADING_WORKER: &str = "
    addEventListener('install', () => skipWaiting());
    addEventListener('activate', (event) =>
        event.waitUntil(Promise.all([clients.claim(), registration.navigationPreload.enable()])));
    const respond = async (event) => await event.preloadResponse ?? fetch(event.request);
    addEventListener('fetch', (event) => event.respondWith(respond(event)));";

/// Leaves navigations to the browser.
const MODEST_WORKER: &str = "
    addEventListener('install', () => skipWaiting());
    addEventListener('activate', (event) => event.waitUntil(clients.claim()));
    addEventListener('fetch', (event) => {
        if (event.request.mode !== 'navigate') event.respondWith(fetch(event.request));
    });";

pub(super) struct App {
    pub(super) browser: Browser,
    pub(super) proxy: Proxy,
    host: String,
    events: Arc<Mutex<Vec<EventKind>>>,
    task: JoinHandle<()>,
}

impl App {
    /// A browser that can open the application's pages on this host.
    pub(super) async fn start(host: &str) -> Self {
        let events = Arc::<Mutex<Vec<_>>>::default();
        let log = events.clone();
        let auth = Auth::builder(KeyRing::ephemeral().unwrap())
            .issuer("app")
            .audience("app")
            .store(MemoryStore::new())
            .claims(|_, _| async { Ok::<_, Infallible>(Some(Identity::new(()))) })
            .device_binding(DeviceBinding::Enforce)
            .on_event(move |event| log.lock().unwrap().push(event.kind))
            .build()
            .unwrap();
        let router = Router::new()
            .route("/", get(page).post(page))
            .route("/account", get(account))
            .route("/login", post(login))
            // A real one checks the state first.
            .route("/callback", get(login))
            .merge(auth.routes())
            .layer(auth.layer())
            .merge(workers())
            .route("/elsewhere", get(elsewhere));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

        let certificate = Certificate::of(["localhost", "*.test"]);
        let proxy = Proxy::start(&certificate, &format!("http://{address}")).await;
        let browser = Browser::with_device_binding(&certificate).await;
        Self { browser, proxy, host: host.to_owned(), events, task }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("https://{}:{}{path}", self.host, self.proxy.port)
    }

    /// A page of another site with a link to this path of the application.
    pub(super) fn link_to(&self, path: &str) -> String {
        format!("https://elsewhere.test:{}/elsewhere?to={}", self.proxy.port, self.url(path))
    }

    /// Clicks, and waits for the next document.
    pub(super) async fn follow(&self, selector: &str) {
        self.browser.run("window.isOld = true").await;
        self.browser.click(selector).await;
        let is_there = "return !window.isOld && document.readyState === 'complete'";
        self.browser.until("the next page comes", is_there).await;
    }

    pub(super) async fn until_registered(&self) {
        let events = self.browser.until_session_event("creation").await;
        let creation = events.iter().find(|event| event.kind == "creation").unwrap();
        assert!(creation.succeeded, "{events:?}, {:?}", self.events());
    }

    pub(super) async fn forget_access(&self) {
        self.browser.forget("__Host-access").await;
    }

    /// A browser that has logged in, with this service worker.
    pub(super) async fn with_worker(host: &str, worker: &str) -> Self {
        let app = Self::start(host).await;
        app.browser.open(&app.url("/")).await;
        app.follow("#login").await;
        app.until_registered().await;
        let register = format!(
            "await navigator.serviceWorker.register('{worker}');
             await navigator.serviceWorker.ready;
             if (!navigator.serviceWorker.controller)
                 await new Promise((done) => navigator.serviceWorker.addEventListener('controllerchange', done));"
        );
        app.browser.run(&register).await;
        app
    }

    /// The user that the page shows.
    pub(super) async fn user(&self) -> String {
        self.browser.text("p").await
    }

    /// The statuses of registrations, and of refreshes.
    pub(super) fn ceremonies(&self) -> [Vec<u16>; 2] {
        [REGISTER, REFRESH]
            .map(|path| self.proxy.exchanges(path).iter().map(|exchange| exchange.status).collect())
    }

    pub(super) fn events(&self) -> Vec<EventKind> {
        self.events.lock().unwrap().clone()
    }

    /// Every request was granted, and no session has ended.
    #[track_caller]
    pub(super) fn assert_no_logout(&self) {
        assert_eq!(self.proxy.rejected(), []);
        let events = self.events();
        let is_bad = |event: &EventKind| {
            matches!(event, EventKind::End(_) | EventKind::Reuse | EventKind::DeviceUnproven(_))
                || matches!(event, EventKind::DeviceRegistrationRefused(_))
        };
        assert!(!events.iter().any(is_bad), "{events:?}");
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn workers() -> Router {
    let workers =
        [("/worker.js", WORKER), ("/preloading.js", PRELOADING_WORKER), ("/modest.js", MODEST_WORKER)];
    workers.into_iter().fold(Router::new(), |router, (path, worker)| {
        router.route(path, get(([(CONTENT_TYPE, "text/javascript")], worker)))
    })
}

/// Shows the user, with a form to log in.
async fn page(user: Result<Option<Authenticated<()>>, Rejection>) -> Response {
    let name = match user {
        Ok(Some(user)) => format!("{}, bound: {}", user.subject(), user.is_device_bound()),
        Ok(None) => "anonymous".to_owned(),
        Err(rejection) => return rejection.into_response(),
    };
    let forms = "<form method=post action=/login><button id=login>log in</button></form>\
                 <form method=post action=/><button id=send>send</button></form>";
    let icon = "<link rel=icon href=data:,>";
    Html(format!("<!doctype html>{icon}<title>app</title><p>{name}</p><a href=/>again</a>{forms}"))
        .into_response()
}

/// Needs a user.
async fn account(user: Authenticated<()>) -> Html<String> {
    Html(format!("<!doctype html><link rel=icon href=data:,><title>account</title><p>{}</p>", user.subject()))
}

async fn login(session: Session<()>) -> Result<Redirect, Rejection> {
    session.login("alice").await?;
    Ok(Redirect::to("/"))
}

#[derive(Deserialize)]
struct Target {
    to: String,
}

async fn elsewhere(Query(Target { to }): Query<Target>) -> Html<String> {
    let icon = "<link rel=icon href=data:,>";
    Html(format!("<!doctype html>{icon}<title>elsewhere</title><a href=\"{to}\">in</a>"))
}
