//! The application in process, on a clock that the tests move.

use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};
use tower_refresh::{
    Clock,
    testing::{Client, ManualClock},
};

use crate::app;

const SECRET: [u8; 20] = *b"12345678901234567890";
const STEP: Duration = Duration::from_secs(30);

struct Phone(ManualClock);

impl Phone {
    /// The code that the authenticator app shows.
    fn code(&self) -> String {
        let totp = Builder::new().with_secret(Secret::from(SECRET)).build().unwrap();
        totp.generate(self.0.now().as_secs()).to_string()
    }

    fn wait(&self, time: Duration) {
        self.0.advance(time);
    }
}

fn start() -> (Client, Phone) {
    let clock = ManualClock::new();
    (Client::new(app(clock.clone(), Secret::from(SECRET)).unwrap()), Phone(clock))
}

async fn post(client: &mut Client, path: &str, body: Value) -> (StatusCode, HeaderMap, Value) {
    let response = client.post_json(path, &body).await;
    let text = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
    (response.status(), response.headers().clone(), text)
}

async fn ticket(client: &mut Client) -> String {
    let form = json!({ "username": "alice", "password": "alice-password" });
    let (status, headers, body) = post(client, "/login", form).await;
    assert_eq!(status, StatusCode::OK);
    assert!(!headers.contains_key("set-cookie"), "the password alone starts no session");
    body["ticket"].as_str().unwrap().to_owned()
}

async fn send_code(client: &mut Client, ticket: &str, code: &str) -> StatusCode {
    post(client, "/login/code", json!({ "ticket": ticket, "code": code })).await.0
}

async fn log_in(client: &mut Client, phone: &Phone) {
    let ticket = ticket(client).await;
    assert_eq!(send_code(client, &ticket, &phone.code()).await, StatusCode::OK);
}

#[tokio::test]
async fn a_login_takes_a_password_and_a_code() {
    let (mut client, phone) = start();
    let ticket = ticket(&mut client).await;
    assert_eq!(client.get("/account").await.status(), StatusCode::UNAUTHORIZED);
    let mut holder = client.clone();
    holder.bearer(ticket.clone());
    assert_eq!(holder.get("/account").await.status(), StatusCode::UNAUTHORIZED, "a ticket is no token");

    assert_eq!(send_code(&mut client, &ticket, &phone.code()).await, StatusCode::OK);

    let account: Value = serde_json::from_slice(client.get("/account").await.body()).unwrap();
    assert_eq!((&account["sub"], &account["amr"]), (&json!("alice"), &json!(["pwd", "otp"])));
    assert_eq!(account["auth_time"], phone.0.now().as_secs());
}

#[tokio::test]
async fn a_wrong_password_gets_no_ticket() {
    let (mut client, _) = start();
    for (username, password) in [("alice", "wrong"), ("bob", "alice-password"), ("", "")] {
        let form = json!({ "username": username, "password": password });
        let (status, _, body) = post(&mut client, "/login", form).await;
        assert_eq!((status, body), (StatusCode::UNAUTHORIZED, Value::Null), "{username}");
    }
}

#[tokio::test]
async fn a_ticket_is_valid_for_two_minutes_for_one_login_and_until_the_next_one() {
    let (mut client, phone) = start();
    let old = ticket(&mut client).await;
    let current = ticket(&mut client).await;
    for invalid in [old.as_str(), "", "alice"] {
        assert_eq!(
            send_code(&mut client, invalid, &phone.code()).await,
            StatusCode::UNAUTHORIZED,
            "{invalid}"
        );
    }
    phone.wait(Duration::from_secs(119));
    assert_eq!(send_code(&mut client, &current, &phone.code()).await, StatusCode::OK);
    phone.wait(STEP);
    assert_eq!(send_code(&mut client, &current, &phone.code()).await, StatusCode::UNAUTHORIZED, "redeemed");

    let late = ticket(&mut client).await;
    phone.wait(Duration::from_secs(120));
    assert_eq!(send_code(&mut client, &late, &phone.code()).await, StatusCode::UNAUTHORIZED, "expired");
}

#[tokio::test]
async fn a_code_is_accepted_once() {
    let (mut client, phone) = start();
    let used = phone.code();
    log_in(&mut client, &phone).await;
    let mut thief = client.clone();
    let ticket = ticket(&mut thief).await;
    for wait in [Duration::ZERO, STEP] {
        phone.wait(wait);
        assert_eq!(send_code(&mut thief, &ticket, &used).await, StatusCode::UNAUTHORIZED);
    }
    let (status, ..) = post(&mut client, "/reauthenticate", json!({ "code": used })).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(send_code(&mut thief, &ticket, &phone.code()).await, StatusCode::OK, "the next one");
}

#[tokio::test]
async fn five_wrong_codes_lock_the_factor_for_a_while() {
    let (mut client, phone) = start();
    log_in(&mut client, &phone).await;
    phone.wait(STEP);
    let wrong = if phone.code() == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        let (status, ..) = post(&mut client, "/reauthenticate", json!({ "code": wrong })).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
    }
    for (wait, status) in [(0, StatusCode::FORBIDDEN), (899, StatusCode::FORBIDDEN), (1, StatusCode::OK)] {
        phone.wait(Duration::from_secs(wait));
        assert_eq!(
            post(&mut client, "/reauthenticate", json!({ "code": phone.code() })).await.0,
            status,
            "{wait}"
        );
    }
}

#[tokio::test]
async fn a_dangerous_route_needs_a_code_from_the_last_five_minutes() {
    let (mut client, phone) = start();
    log_in(&mut client, &phone).await;
    assert_eq!(client.post("/account/close", "").await.status(), StatusCode::OK);
    phone.wait(Duration::from_secs(5 * 60 + 1));

    let response = client.post("/account/close", "").await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("error=\"insufficient_user_authentication\""), "{challenge}");
    assert!(challenge.ends_with("max_age=\"300\""), "{challenge}");
    assert_eq!(client.get("/account").await.status(), StatusCode::OK, "other routes need no step-up");

    let old = client.clone();
    let (status, ..) = post(&mut client, "/reauthenticate", json!({ "code": phone.code() })).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(client.post("/account/close", "").await.body(), "the account of alice is closed");
    let account: Value = serde_json::from_slice(client.get("/account").await.body()).unwrap();
    assert_eq!(account["amr"], json!(["pwd", "otp"]), "the data of the session stays");
    let mut old = old;
    assert_eq!(
        old.get("/account").await.status(),
        StatusCode::UNAUTHORIZED,
        "the tokens from before are invalid"
    );
    assert_eq!(Client::clone(&client).post("/auth/refresh", "").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_code_alone_starts_no_session_and_is_not_used_up() {
    let (mut client, phone) = start();
    let (status, ..) = post(&mut client, "/reauthenticate", json!({ "code": phone.code() })).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    log_in(&mut client, &phone).await;
}
