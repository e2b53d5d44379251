//! `--device-bound`, for clients that bind nothing themselves.

use hyper::header::SET_COOKIE;
use serde_json::{Value, json};

use super::{
    support::{Server, TlsClient, fails_to_start},
    tls::{certificate, key},
};

const FORM: &str = r#"{"username":"alice","password":"alice-password"}"#;
const OFFER: &str = "secure-session-registration";

fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Server {
    let (certificate, key) = (certificate("es256"), key("es256"));
    Server::start_tls(&[&["--tls", &certificate, &key], arguments].concat(), variables)
}

#[tokio::test]
async fn a_login_offers_a_registration_where_browsers_can_bind_sessions() {
    for (arguments, variables, offers, lifetime, reason) in [
        (&[][..], &[][..], 1, 300, "the default"),
        (&["--device-bound", "observe"], &[], 1, 300, "the same"),
        (&["--device-bound", "enforce"], &[], 1, 300, "and proofs are required"),
        (&[], &[("DEMO_DEVICE_BOUND", "enforce")], 1, 300, "the environment variable"),
        (&["--access-ttl", "6m"], &[], 1, 360, "another lifetime"),
        (&["--device-bound", "off"], &[], 0, 15, "not wanted"),
        (&["--access-ttl", "10s"], &[], 0, 10, "too short for browsers"),
        (&["--access-cookie", "off"], &[], 0, 15, "no cookie for browsers to watch"),
    ] {
        let server = start(arguments, variables);
        let mut client = TlsClient::connect(&server.address, &["h2"]).await;
        let login = client.send("POST", "/login", FORM).await;
        assert_eq!(login.headers().get_all(OFFER).iter().count(), offers, "{reason}");
        let tokens: Value = serde_json::from_slice(login.body()).unwrap();
        // Lifetimes differ by up to a tenth, so that tokens do not all expire at once.
        let expires_in = tokens["expires_in"].as_u64().unwrap();
        assert!((lifetime * 9 / 10 - 1..=lifetime).contains(&expires_in), "{reason}: {expires_in}");
        for route in ["/auth/device/register", "/auth/device/refresh"] {
            let status = client.send("POST", route, "").await.status();
            assert_eq!(status != 404, offers == 1, "{reason}: {route} {status}");
        }
    }
    let mut plain = Server::start(&[]);
    let login = plain.client().with("content-type", "application/json").send("POST", "/login", FORM);
    assert_eq!((login.status, login.header(OFFER)), (200, ""), "without HTTPS");
    plain.signal("TERM");
    assert!(plain.wait().1.contains("sessions are not bound to them"));
}

#[test]
fn the_server_prints_whether_sessions_are_bound() {
    for (arguments, printed) in [
        (&[][..], "bound to them, and proofs are observed"),
        (&["--device-bound", "enforce"], "bound to them, and proofs are required"),
        (&["--access-ttl", "10s"], "not bound to them"),
    ] {
        let mut server = start(arguments, &[]);
        server.signal("TERM");
        let (_, output, _) = server.wait();
        assert!(output.contains(printed), "{arguments:?}: {output}");
    }
}

#[tokio::test]
async fn a_client_that_binds_nothing_refreshes_as_ever() {
    for mode in ["observe", "enforce"] {
        let server = start(&["--device-bound", mode], &[]);
        let mut alice = TlsClient::connect(&server.address, &["h2"]).await;
        alice.log_in("alice").await;
        let me: Value = serde_json::from_slice(alice.send("GET", "/me", "").await.body()).unwrap();
        assert_eq!((&me["sub"], &me["device_bound"]), (&json!("alice"), &json!(false)), "{mode}");
        let sessions = alice.send("GET", "/auth/sessions", "").await;
        let sessions: Value = serde_json::from_slice(sessions.body()).unwrap();
        assert_eq!(sessions[0]["device_bound"], false, "{mode}");
        assert_eq!(alice.send("POST", "/auth/refresh", "").await.status(), 200, "{mode}");
        let steps = alice.send("POST", "/demo/steal", "").await;
        let steps: Value = serde_json::from_slice(steps.body()).unwrap();
        assert_eq!(steps[2]["status"], 401, "{mode}: {steps}");
    }
}

#[test]
fn what_browsers_cannot_use_is_reported_in_one_line() {
    let (certificate, key) = (certificate("es256"), key("es256"));
    let with_tls = |more: &[&str]| fails_to_start(&[&["--tls", &certificate, &key], more].concat(), &[]);
    for mode in ["enforce", "observe"] {
        assert!(fails_to_start(&["--device-bound", mode], &[]).contains("needs --tls"), "{mode}");
        assert!(fails_to_start(&[], &[("DEMO_DEVICE_BOUND", mode)]).contains("needs --tls"), "{mode}");
        let short = with_tls(&["--device-bound", mode, "--access-ttl", "299s"]);
        assert!(short.contains("at least 5 minutes"), "{mode}: {short}");
        let cookie = with_tls(&["--device-bound", mode, "--access-cookie", "off"]);
        assert!(cookie.contains("needs the access cookie"), "{mode}: {cookie}");
    }
    for wrong in ["prefer", "on", "Enforce", ""] {
        assert!(with_tls(&["--device-bound", wrong]).contains("--device-bound"), "{wrong}");
    }
    assert_eq!(Server::start(&["--device-bound", "off"]).client().get("/healthz").status, 200);
}

#[test]
fn the_access_token_can_be_made_to_expire() {
    for (arguments, access) in [(&[][..], "__Host-access"), (&["--insecure-http"], "access")] {
        let server = Server::start(&[&["--access-ttl", "10m"], arguments].concat());
        let mut alice = server.logged_in("alice");
        let response = alice.post("/demo/expire");
        assert_eq!((response.status, response.header("x-demo-renewed")), (204, ""));
        assert_eq!(response.headers.get_all(SET_COOKIE).iter().count(), 1);
        assert!(!alice.cookies.contains_key(access) && alice.cookies.len() == 1, "{:?}", alice.cookies);
        assert_eq!(alice.get("/me").header("x-demo-renewed"), "access");
        assert!(alice.cookies.contains_key(access));
    }
}
