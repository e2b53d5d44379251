//! The application with its providers, and browsers.

use axum::{
    body::{Body, Bytes},
    http::{Request, Response, StatusCode},
};
use openidconnect::url::form_urlencoded;
use serde_json::Value;
use tower_refresh::{
    Clock, Timestamp,
    testing::{Client, ManualClock},
};

use super::{
    op::{Op, Parameters},
    store::TestStore,
};
use crate::{App, app, router, settings::Settings};

pub(super) const URL: &str = "http://localhost:3000";

pub(super) struct World {
    pub(super) clock: ManualClock,
    /// It states its issuer in each response.
    pub(super) one: Op,
    /// It does not.
    pub(super) two: Op,
    pub(super) store: TestStore,
    pub(super) app: App,
}

impl World {
    pub(super) async fn new() -> Self {
        let (one, two) = (Op::start(10, true).await, Op::start(20, false).await);
        let clock = ManualClock::new();
        let providers = vec![one.settings("one"), two.settings("two")];
        let settings = Settings { listen: ([127, 0, 0, 1], 0).into(), url: URL.to_owned(), providers };
        let store = TestStore::default();
        let app = app(settings, store.clone(), clock.clone()).unwrap();
        Self { clock, one, two, store, app }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn browser(&self) -> Client {
        Client::new(router(self.app.clone()).unwrap())
    }

    pub(super) fn op(&self, name: &str) -> &Op {
        if name == "one" { &self.one } else { &self.two }
    }

    /// The browser goes to the provider.
    pub(super) async fn start(&self, browser: &mut Client, provider: &str, next: &str) -> Parameters {
        let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let response = browser.get(&format!("/login/{provider}?next={next}")).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        self.op(provider).parameters(location(&response))
    }

    /// The way back, with an ID token that has these claims.
    pub(super) fn callback(&self, provider: &str, request: &Parameters, claims: &Value) -> String {
        let op = self.op(provider);
        let code = op.code(request, op.sign(claims));
        self.callback_with(provider, request, &code)
    }

    pub(super) fn callback_with(&self, provider: &str, request: &Parameters, code: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("code", code).append_pair("state", &request["state"]);
        if provider == "one" {
            query.append_pair("iss", &self.one.issuer);
        }
        format!("/callback/{provider}?{}", query.finish())
    }

    /// A browser whose user logs in at the provider, with claims that the test changes.
    pub(super) async fn logged_in(&self, provider: &str, change: impl FnOnce(&mut Value)) -> Client {
        let mut browser = self.browser();
        let request = self.start(&mut browser, provider, "/account").await;
        let mut claims = self.op(provider).claims(&request, self.now());
        change(&mut claims);
        let response = browser.get(&self.callback(provider, &request, &claims)).await;
        assert_eq!(
            (response.status(), location(&response)),
            (StatusCode::SEE_OTHER, "/account"),
            "{response:?}"
        );
        browser
    }

    /// The answer of the application to the provider's server.
    pub(super) async fn backchannel(&self, provider: &str, token: &str) -> Response<Bytes> {
        self.browser().post_form(&format!("/backchannel-logout/{provider}"), &[("logout_token", token)]).await
    }
}

pub(super) fn location(response: &Response<Bytes>) -> &str {
    response.headers().get("location").map_or("", |location| location.to_str().unwrap())
}

pub(super) fn text(response: &Response<Bytes>) -> &str {
    str::from_utf8(response.body()).unwrap()
}

/// The account page if the browser's user is logged in.
pub(super) async fn account(browser: &mut Client) -> Option<String> {
    let response = browser.get("/account").await;
    if response.status() == StatusCode::OK { Some(text(&response).to_owned()) } else { None }
}

/// A navigation that another site starts, such as a redirect or a form of the provider.
pub(super) fn from_elsewhere(method: &str, path: &str, body: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("origin", "http://op.example")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document")
        .body(Body::from(body.to_owned()))
        .unwrap()
}
