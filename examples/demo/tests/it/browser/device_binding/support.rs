//! A browser that is logged in to the demo, behind a proxy that records what passes.

use serde_json::{Value, json};

use super::super::support::{Browser, Certificate, Demo, Proxy};

pub(super) const REGISTER: &str = "/auth/device/register";
pub(super) const REFRESH: &str = "/auth/device/refresh";
pub(super) const ACCESS_COOKIE: &str = "__Host-access";
pub(super) const REFRESH_COOKIE: &str = "__Host-refresh";

/// Who the user is: the status, the subject, and whether the access token came from the device.
const ME: &str = "const response = await fetch('/me', { cache: 'no-store' });
     const { sub = null, device_bound = null } = await response.json();
     return [response.status, sub, device_bound]";
const SESSIONS: &str = "return (await (await fetch('/auth/sessions', { cache: 'no-store' })).json())
     .map(({ current, device_bound }) => [current, device_bound])";

pub(super) struct Bound {
    pub(super) browser: Browser,
    pub(super) proxy: Proxy,
    pub(super) demo: Demo,
    host: String,
}

impl Bound {
    /// A browser at the demo's page on this host, with `--device-bound enforce`.
    pub(super) async fn start(host: &str) -> Self {
        Self::start_with(host, &["--device-bound", "enforce"]).await
    }

    pub(super) async fn start_with(host: &str, arguments: &[&str]) -> Self {
        let certificate = Certificate::of(["localhost", "*.test"]);
        let demo = Demo::start_tls(&certificate, arguments);
        let proxy = Proxy::start(&certificate, &demo.url()).await;
        let browser = Browser::with_device_binding(&certificate).await;
        let bound = Self { browser, proxy, demo, host: host.to_owned() };
        bound.browser.open(&bound.url("/")).await;
        bound
    }

    /// The same; it has logged in and registered its key.
    pub(super) async fn registered(host: &str) -> Self {
        let bound = Self::start(host).await;
        bound.log_in("alice").await;
        bound
    }

    /// The same; it has given its first proof.
    pub(super) async fn confirmed(host: &str) -> Self {
        let bound = Self::registered(host).await;
        bound.refresh().await;
        bound
    }

    pub(super) fn url(&self, path: &str) -> String {
        self.url_at(&self.host, path)
    }

    /// Another host of this server, which is another site to the browser.
    pub(super) fn url_at(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.proxy.port)
    }

    /// Logs in by a request of the page, and waits until the key is registered.
    pub(super) async fn log_in(&self, user: &str) {
        self.browser.session_events().await;
        self.browser.log_in(user).await;
        self.until_registered().await;
    }

    pub(super) async fn until_registered(&self) {
        let events = self.browser.until_session_event("creation").await;
        let creation = events.iter().find(|event| event.kind == "creation").unwrap();
        assert!(creation.succeeded, "{events:?}");
    }

    pub(super) async fn forget_access(&self) {
        self.browser.forget(ACCESS_COOKIE).await;
    }

    /// Has the browser refresh: the next request finds no access cookie.
    pub(super) async fn refresh(&self) {
        let before = self.proxy.exchanges(REFRESH).len();
        self.forget_access().await;
        assert_eq!(self.me().await, json!([200, "alice", true]));
        assert_eq!(self.refreshes()[before..], [200]);
    }

    pub(super) async fn me(&self) -> Value {
        self.browser.run(ME).await
    }

    /// Of each session in the user's list: whether it is this one, and whether it is bound.
    pub(super) async fn sessions(&self) -> Value {
        self.browser.run(SESSIONS).await
    }

    /// The statuses of the browser's registrations and refreshes.
    pub(super) fn registrations(&self) -> Vec<u16> {
        self.proxy.exchanges(REGISTER).iter().map(|exchange| exchange.status).collect()
    }

    pub(super) fn refreshes(&self) -> Vec<u16> {
        self.proxy.exchanges(REFRESH).iter().map(|exchange| exchange.status).collect()
    }

    /// The user of the page is logged in, all its requests were granted but these, and no session has ended.
    #[track_caller]
    pub(super) fn assert_no_logout(&self, rejected: &[(&str, u16)]) {
        let expected: Vec<_> = rejected.iter().map(|&(path, status)| (path.to_owned(), status)).collect();
        assert_eq!(self.proxy.rejected(), expected);
        let events = ["end", "reuse", "device_unproven", "device_registration_refused"];
        assert_eq!(events.map(|event| self.demo.events(event)), [0; 4], "{events:?}");
    }
}
