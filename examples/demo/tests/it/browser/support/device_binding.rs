//! Chromium with Device Bound Session Credentials, whose keys are in software.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    browser::{Browser, PATIENCE},
    certificate::Certificate,
};

const FEATURES: &str =
    "--enable-features=DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting";

/// What happened to a device-bound session in the browser: a registration, a refresh, a challenge or its end.
#[derive(Clone, Debug)]
pub(crate) struct SessionEvent {
    /// `creation`, `refresh`, `challenge` or `termination`.
    pub(crate) kind: &'static str,
    pub(crate) succeeded: bool,
}

impl Browser {
    /// A browser that accepts this certificate and finds all hosts below `test` on this machine. Chromium limits how often a site's key
    /// signs, so each test has a host of its own.
    pub(crate) async fn with_device_binding(certificate: &Certificate) -> Self {
        let arguments = [
            FEATURES.to_owned(),
            format!("--ignore-certificate-errors-spki-list={}", certificate.fingerprint()),
            "--host-resolver-rules=MAP *.test 127.0.0.1".to_owned(),
        ];
        // Chromium has no device-bound sessions where it accepts any certificate.
        let browser =
            Self::launch(&arguments, &json!({ "goog:loggingPrefs": { "performance": "ALL" } })).await;
        browser.watch_sessions().await;
        browser
    }

    /// Ends this browser and starts it again, with its profile.
    pub(crate) async fn restart(&mut self) {
        self.relaunch().await;
        self.watch_sessions().await;
    }

    async fn watch_sessions(&self) {
        self.devtools("Network.enableDeviceBoundSessions", &json!({ "enable": true })).await;
    }

    /// Forgets a cookie of the page's host, as if it had expired.
    pub(crate) async fn forget(&self, cookie: &str) {
        self.client.delete_cookie(cookie).await.unwrap();
    }

    /// Sets a cookie with the prefix `__Host-`, for the host of this URL.
    pub(crate) async fn set_cookie(&self, url: &str, name: &str, value: &str) {
        let cookie = json!({ "url": url, "name": name, "value": value, "path": "/", "secure": true, "httpOnly": true });
        self.devtools("Network.setCookie", &cookie).await;
    }

    /// The events of device-bound sessions since the last call.
    pub(crate) async fn session_events(&self) -> Vec<SessionEvent> {
        let log = self.command("se/log", &json!({ "type": "performance" })).await;
        let entries = log.as_array().unwrap().iter();
        let messages = entries.map(|entry| {
            let entry: Value = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
            entry["message"].clone()
        });
        let events =
            messages.filter(|message| message["method"] == "Network.deviceBoundSessionEventOccurred");
        events.map(|event| SessionEvent::of(&event["params"])).collect()
    }

    /// Waits for the next event of this kind; returns it and those before it.
    pub(crate) async fn until_session_event(&self, kind: &str) -> Vec<SessionEvent> {
        let (started, mut events) = (Instant::now(), Vec::new());
        loop {
            events.append(&mut self.session_events().await);
            if events.iter().any(|event: &SessionEvent| event.kind == kind) {
                return events;
            }
            assert!(started.elapsed() < PATIENCE, "no {kind}, but {events:?}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// A command that only chromedriver has.
    async fn command(&self, path: &str, parameters: &Value) -> Value {
        let session = self.client.session_id().await.unwrap().unwrap();
        let url = format!("{}/session/{session}/{path}", self.driver.url);
        let answer = ureq::post(url).content_type("application/json").send(parameters.to_string()).unwrap();
        let mut answer: Value = serde_json::from_str(&answer.into_body().read_to_string().unwrap()).unwrap();
        answer["value"].take()
    }

    async fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.command("goog/cdp/execute", &json!({ "cmd": command, "params": parameters })).await
    }
}

impl SessionEvent {
    fn of(parameters: &Value) -> Self {
        let kinds = ["creation", "refresh", "challenge", "termination"];
        let kind = kinds.into_iter().find(|kind| !parameters[format!("{kind}EventDetails")].is_null());
        let kind = kind.unwrap_or_else(|| panic!("an event of another kind: {parameters}"));
        Self { kind, succeeded: parameters["succeeded"] == true }
    }
}
