//! A client without cookies: both tokens in the body.

use std::{thread::sleep, time::Duration};

use serde_json::{Value, json};

use super::support::{Client, Response, Server};

fn log_in(client: &mut Client, user: &str) -> Value {
    let form = json!({ "username": user, "password": format!("{user}-password") });
    let response = client.post_json("/token-login", &form);
    assert_eq!(response.status, 200, "{}", response.text());
    assert!(client.cookies.is_empty());
    response.json()
}

fn exchange(server: &Server, tokens: &Value) -> Response {
    let mut client = server.client().with("content-type", "application/x-www-form-urlencoded");
    let token = tokens["refresh_token"].as_str().unwrap();
    let response =
        client.send("POST", "/auth/token", &format!("grant_type=refresh_token&refresh_token={token}"));
    assert!(client.cookies.is_empty());
    response
}

fn me(server: &Server, tokens: &Value) -> Response {
    server.client().bearer(tokens["access_token"].as_str().unwrap()).get("/me")
}

#[track_caller]
fn assert_error(response: &Response, code: &str) {
    assert_eq!(response.header("content-type"), "application/json");
    assert_eq!((response.status, &response.json()["error"]), (400, &code.into()));
}

#[test]
fn a_native_client_logs_in_refreshes_and_logs_out() {
    let server = Server::start(&["--access-ttl", "2s"]);
    let tokens = log_in(&mut server.client(), "admin");
    assert_eq!((&tokens["token_type"], &tokens["scope"]), (&"Bearer".into(), &"user admin".into()));
    assert_eq!(me(&server, &tokens).json()["sub"], "admin");
    // Times in tokens are whole seconds, so a lifetime of 2 s may last little more than 1 s.
    sleep(Duration::from_millis(2100));
    me(&server, &tokens).assert_invalid_token();

    let response = exchange(&server, &tokens);
    assert_eq!((response.status, response.header("cache-control")), (200, "no-store"));
    // No second rotation within the damping interval: the client keeps its token.
    assert!(response.json().get("refresh_token").is_none());
    assert_eq!(me(&server, &response.json()).json()["sub"], "admin");

    let access = response.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(server.client().bearer(&access).post("/auth/logout").status, 204);
    assert_error(&exchange(&server, &tokens), "invalid_grant");
    me(&server, &response.json()).assert_invalid_token();
}

#[test]
fn a_native_clients_refresh_token_rotates() {
    let server = Server::start(&["--grace", "0s", "--damping", "15s"]);
    let tokens = log_in(&mut server.client(), "alice");
    sleep(Duration::from_millis(15_010));
    let new = exchange(&server, &tokens).json();
    assert_ne!(new["refresh_token"], tokens["refresh_token"]);
    assert_eq!(exchange(&server, &new).status, 200);
    // Its successor was used, so the holder of the old one has a copy, unless its request was sent before.
    sleep(Duration::from_millis(10));
    assert_eq!(exchange(&server, &tokens).status, 503);
    sleep(Duration::from_secs(15));
    assert_error(&exchange(&server, &tokens), "invalid_grant");
    assert_error(&exchange(&server, &new), "invalid_grant");
}

#[test]
fn the_token_endpoint_responds_with_oauth_errors() {
    let server = Server::start(&[]);
    let mut form = server.client().with("content-type", "application/x-www-form-urlencoded");
    for (body, code) in [
        ("grant_type=password&username=alice&password=alice-password", "unsupported_grant_type"),
        ("grant_type=refresh_token", "invalid_request"),
        ("grant_type=refresh_token&refresh_token=x", "invalid_grant"),
    ] {
        assert_error(&form.send("POST", "/auth/token", body), code);
    }
    assert_error(&server.client().post_json("/auth/token", &json!({})), "invalid_request");
    form.get("/auth/token").assert_problem(405);
    // A browser's refresh token is rejected.
    let alice = server.logged_in("alice");
    let tokens = json!({ "refresh_token": alice.refresh_token() });
    assert_error(&exchange(&server, &tokens), "invalid_grant");
}

#[test]
fn a_native_login_rejects_wrong_passwords_and_browsers() {
    let server = Server::start(&[]);
    let wrong = json!({ "username": "alice", "password": "guess" });
    server.client().post_json("/token-login", &wrong).assert_bare_challenge();
    let form = json!({ "username": "alice", "password": "alice-password" });
    for (name, value) in
        [("sec-fetch-site", "same-origin"), ("origin", &format!("http://{}", server.address))]
    {
        server.client().with(name, value).post_json("/token-login", &form).assert_problem(403);
    }
}
