//! Chromium with a profile of its own.

use std::time::{Duration, Instant};

use fantoccini::{Client, ClientBuilder, Locator, error::CmdError, wd::Capabilities};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

use super::driver::Driver;

pub(crate) struct Browser {
    pub(crate) client: Client,
    capabilities: Capabilities,
    // Dropped in this order: the driver exits before its folder is removed.
    pub(super) driver: Driver,
    _folder: TempDir,
}

/// No connections to anything but the tests.
const ARGUMENTS: [&str; 8] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
];

/// Long, for busy machines.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

impl Browser {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A browser with more arguments.
    pub(super) async fn with(more: &[String]) -> Self {
        Self::launch(more, &json!({ "acceptInsecureCerts": true })).await
    }

    /// A browser with more arguments and capabilities.
    pub(super) async fn launch(more: &[String], more_capabilities: &Value) -> Self {
        let start = || {
            let folder = tempfile::tempdir().unwrap();
            Driver::start(folder.path()).map(|driver| (driver, folder))
        };
        let started = (0..5).find_map(|_| start());
        let (driver, folder) = started.expect("chromedriver starts");
        let mut arguments = ARGUMENTS.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", folder.path().join("profile").display()));
        arguments.extend_from_slice(more);
        let mut capabilities = Capabilities::new();
        capabilities.insert("goog:chromeOptions".into(), json!({ "args": arguments }));
        capabilities.extend(more_capabilities.as_object().unwrap().clone());
        let client = connect(&driver, &capabilities).await;
        Self { client, capabilities, driver, _folder: folder }
    }

    /// Ends the browser and starts it again with the same profile.
    pub(super) async fn relaunch(&mut self) {
        self.client.clone().close().await.unwrap();
        self.client = connect(&self.driver, &self.capabilities).await;
    }

    pub(crate) async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    /// Runs the body of an async function in the page; returns its result.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.try_run(script).await.unwrap()
    }

    /// The same; a navigation interrupts the function.
    async fn try_run(&self, script: &str) -> Result<Value, CmdError> {
        let script = format!(
            "const done = arguments[arguments.length - 1]; (async () => {{ {script} }})()
             .then((value) => done({{ value }}), (error) => done({{ error: String(error.stack ?? error) }}));"
        );
        let mut answer = self.client.execute_async(&script, Vec::new()).await?;
        assert!(answer["error"].is_null(), "{}", answer["error"].as_str().unwrap_or_default());
        Ok(answer["value"].take())
    }

    /// Waits until the body of an async function returns something true in the page, or in the one that it navigates to.
    pub(crate) async fn until(&self, what: &str, script: &str) {
        let started = Instant::now();
        while !self.try_run(script).await.is_ok_and(|value| is_true(&value)) {
            assert!(
                started.elapsed() < PATIENCE,
                "{what}; instead the page shows: {}",
                self.text("body").await
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the browser has no cookie of this name any more.
    pub(crate) async fn until_gone(&self, cookie: &str) {
        let started = Instant::now();
        while self.cookie(cookie).await.is_some() {
            assert!(started.elapsed() < PATIENCE, "{cookie} does not expire");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// A cookie of the page's host, which the page itself may be unable to read.
    pub(crate) async fn cookie(&self, name: &str) -> Option<String> {
        let cookies = self.client.get_all_cookies().await.unwrap();
        cookies.into_iter().find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
    }

    pub(crate) async fn click(&self, selector: &str) {
        self.client.find(Locator::Css(selector)).await.unwrap().click().await.unwrap();
    }

    /// The text that this element shows.
    pub(crate) async fn text(&self, selector: &str) -> String {
        self.client.find(Locator::Css(selector)).await.unwrap().text().await.unwrap()
    }

    /// Logs in with a request of the open page, which must belong to the demo.
    pub(crate) async fn log_in(&self, user: &str) {
        let status = self
            .run(&format!(
                "const form = {{ username: '{user}', password: '{user}-password' }};
                 const headers = {{ 'content-type': 'application/json' }};
                 return (await fetch('/login', {{ method: 'POST', headers, body: JSON.stringify(form) }})).status;"
            ))
            .await;
        assert_eq!(status, 200);
    }

    /// Opens this URL in a new tab; returns the handles of both tabs.
    pub(crate) async fn second_tab(&self, url: &str) -> Tabs {
        let first = self.client.window().await.unwrap();
        let second = self.client.new_window(true).await.unwrap().handle;
        self.client.switch_to_window(second.clone()).await.unwrap();
        self.open(url).await;
        Tabs { first, second }
    }
}

async fn connect(driver: &Driver, capabilities: &Capabilities) -> Client {
    let mut builder = ClientBuilder::new(HttpConnector::new());
    builder.capabilities(capabilities.clone()).connect(&driver.url).await.unwrap()
}

pub(crate) struct Tabs {
    first: fantoccini::wd::WindowHandle,
    second: fantoccini::wd::WindowHandle,
}

impl Tabs {
    pub(crate) async fn first<'a>(&self, browser: &'a Browser) -> &'a Browser {
        browser.client.switch_to_window(self.first.clone()).await.unwrap();
        browser
    }

    pub(crate) async fn second<'a>(&self, browser: &'a Browser) -> &'a Browser {
        browser.client.switch_to_window(self.second.clone()).await.unwrap();
        browser
    }
}

fn is_true(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false)) && *value != json!(0) && *value != json!("")
}
