//! Device Bound Session Credentials as Chromium implements them, with the smallest server that has them.

use std::sync::{Arc, Mutex};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{AppendHeaders, Html, IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::support::{Browser, Certificate, Proxy};

const FETCH: &str = "return (await fetch('/who', { cache: 'no-store' })).text()";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_login_registers_a_key_and_an_expired_cookie_leads_to_one_refresh() {
    let (browser, proxy) = registered("registration.test").await;
    let registrations = proxy.exchanges("/register");
    assert_eq!((registrations.len(), registrations[0].status), (1, 200));
    assert!(registrations[0].request.contains_key("secure-session-response"));

    assert_eq!(browser.run(FETCH).await, "alice");
    assert!(proxy.exchanges("/refresh").is_empty(), "the cookie is still valid");

    browser.forget("__Host-bound").await;
    let all = "const one = async () => (await fetch('/who', { cache: 'no-store' })).text();
         return (await Promise.all(Array.from({ length: 20 }, one))).join()";
    assert_eq!(browser.run(all).await, vec!["alice"; 20].join(","));
    let refreshes = proxy.exchanges("/refresh");
    assert_eq!((refreshes.len(), refreshes[0].status), (1, 200));
    assert!(refreshes[0].response.contains_key("set-cookie"));
    let events = browser.until_session_event("refresh").await;
    assert!(events.iter().any(|event| event.kind == "refresh" && event.succeeded), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_refresh_whose_answers_are_lost_keeps_the_session() {
    let (browser, proxy) = registered("lost.test").await;
    // Chromium repeats a request on a connection that was closed while idle.
    for nth in 1..=4 {
        proxy.lose("/refresh", nth);
    }
    browser.forget("__Host-bound").await;
    assert_eq!(browser.run(FETCH).await, "anonymous");
    let lost = proxy.exchanges("/refresh");
    assert!(!lost.is_empty() && lost.iter().all(|exchange| exchange.is_lost), "{lost:?}");
    let events = browser.until_session_event("refresh").await;
    let failed = events.iter().find(|event| event.kind == "refresh").unwrap();
    assert!(!failed.succeeded && failed.session.as_deref() == Some("session"), "{events:?}");
    assert!(failed.details.to_string().contains("Error"), "{}", failed.details);

    for _ in lost.len()..4 {
        browser.run(FETCH).await;
    }
    assert_eq!(browser.run(FETCH).await, "alice");
    assert!(!proxy.exchanges("/refresh").last().unwrap().is_lost);
}

/// A browser that is logged in and has registered its key.
async fn registered(host: &str) -> (Browser, Proxy) {
    let certificate = Certificate::of(["localhost", "*.test"]);
    let proxy = Proxy::start(&certificate, &format!("http://{}", serve(host).await)).await;
    let browser = Browser::with_device_binding(&certificate).await;
    browser.open(&format!("https://{host}:{}/", proxy.port)).await;
    browser.run("await fetch('/login', { method: 'POST' })").await;
    let events = browser.until_session_event("creation").await;
    let created = events.iter().find(|event| event.kind == "creation").unwrap();
    assert!(created.succeeded && created.session.as_deref() == Some("session"), "{events:?}");
    (browser, proxy)
}

#[derive(Clone)]
struct Server {
    /// The public key that is registered.
    key: Arc<Mutex<Option<Vec<u8>>>>,
    host: Arc<str>,
}

async fn serve(host: &str) -> String {
    let server = Server { key: Arc::default(), host: host.into() };
    let router = Router::new()
        .route("/", get(|| async { Html("<!doctype html><title>bound</title>") }))
        .route("/who", get(who))
        .route("/login", post(login))
        .route("/register", post(register))
        .route("/refresh", post(refresh))
        .with_state(server);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

const CHALLENGE: &str = "challenge";
const BOUND: (&str, &str) =
    ("set-cookie", "__Host-bound=yes; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600");

async fn who(headers: HeaderMap) -> &'static str {
    let cookies = headers.get("cookie").map_or("", |cookies| cookies.to_str().unwrap());
    if cookies.contains("__Host-bound=yes") { "alice" } else { "anonymous" }
}

async fn login() -> impl IntoResponse {
    let offer = format!("(ES256);path=\"/register\";challenge=\"{CHALLENGE}\"");
    AppendHeaders([("secure-session-registration", offer), (BOUND.0, BOUND.1.to_owned())])
}

async fn register(State(server): State<Server>, headers: HeaderMap) -> Response {
    let Some(key) = verified(&headers, None) else { return StatusCode::FORBIDDEN.into_response() };
    *server.key.lock().unwrap() = Some(key);
    server.bound(&headers)
}

async fn refresh(State(server): State<Server>, headers: HeaderMap) -> Response {
    let key = server.key.lock().unwrap().clone();
    match verified(&headers, key) {
        Some(_) => server.bound(&headers),
        None => (StatusCode::FORBIDDEN, AppendHeaders([challenge()])).into_response(),
    }
}

fn challenge() -> (&'static str, String) {
    ("secure-session-challenge", format!("\"{CHALLENGE}\";id=\"session\""))
}

impl Server {
    fn bound(&self, headers: &HeaderMap) -> Response {
        let instructions = json!({
            "session_identifier": "session",
            "refresh_url": "/refresh",
            "scope": { "origin": headers["origin"].to_str().unwrap(), "include_site": false },
            "credentials": [{ "type": "cookie", "name": "__Host-bound",
                "attributes": "Path=/; Secure; HttpOnly; SameSite=Lax" }],
        });
        assert!(headers["origin"].to_str().unwrap().contains(&*self.host));
        (AppendHeaders([challenge(), (BOUND.0, BOUND.1.to_owned())]), axum::Json(instructions))
            .into_response()
    }
}

/// The key of the proof in the request: this one, or that in its header.
fn verified(headers: &HeaderMap, key: Option<Vec<u8>>) -> Option<Vec<u8>> {
    let proof = headers.get("secure-session-response")?.to_str().unwrap().trim_matches('"');
    let (signed, signature) = proof.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let header: Value = serde_json::from_slice(&decode(header)?).ok()?;
    let payload: Value = serde_json::from_slice(&decode(payload)?).ok()?;
    let key = match key {
        Some(key) => key,
        None => {
            let coordinate = |name: &str| decode(header["jwk"][name].as_str()?);
            [vec![4], coordinate("x")?, coordinate("y")?].concat()
        }
    };
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key)
        .verify(signed.as_bytes(), &decode(signature)?)
        .ok()?;
    (header["typ"] == "dbsc+jwt" && payload["jti"] == CHALLENGE).then_some(key)
}
