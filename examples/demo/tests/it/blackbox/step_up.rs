//! Authenticating again, and routes that need a recent login.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::support::{Client, Server};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Waits until the login is more than a second old.
fn grow_old(client: &mut Client) {
    let login = client.get("/me").json()["auth_time"].as_u64().unwrap();
    while now() < login + 2 {
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_old_login_is_challenged_until_the_password_is_given_again() {
    let server = Server::start(&[]);
    let mut client = server.logged_in("alice");
    assert_eq!(client.get("/recent?max=60").status, 200);
    let before = client.get("/me").json();
    grow_old(&mut client);

    let response = client.get("/recent?max=1");
    response.assert_problem(401);
    let challenge = response.header("www-authenticate");
    assert!(challenge.contains("error=\"insufficient_user_authentication\""), "{challenge}");
    assert!(challenge.contains("max_age=\"1\""), "{challenge}");
    assert_eq!(client.get("/recent?max=60").status, 200);

    client.post_json("/reauthenticate", &json!({ "password": "bob-password" })).assert_bare_challenge();
    let old = client.clone();
    let response = client.post_json("/reauthenticate", &json!({ "password": "alice-password" }));
    assert_eq!(response.status, 200, "{}", response.text());
    let body = response.json();
    assert_eq!((&body["token_type"], body.as_object().unwrap().len()), (&json!("Bearer"), 3));
    for name in ["__Host-access", "__Host-refresh"] {
        assert!(response.set_cookie(name).is_some(), "{name}");
    }
    assert_eq!(client.get("/recent?max=1").status, 200);
    let after = client.get("/me").json();
    assert_eq!((&after["sub"], after["sid"] == before["sid"]), (&json!("alice"), false));
    assert!(after["auth_time"].as_u64().unwrap() >= before["auth_time"].as_u64().unwrap() + 2);

    for mut stale in [old.clone(), old.without_access()] {
        stale.get("/me").assert_bare_challenge();
    }
    assert_eq!(client.get("/auth/sessions").json().as_array().unwrap().len(), 1);
    assert_eq!(client.without_access().get("/me").json()["sub"], "alice");
}

#[test]
fn without_a_login_there_is_nothing_to_make_recent() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.post_json("/reauthenticate", &json!({ "password": "alice-password" })).assert_bare_challenge();
    client.get("/recent?max=60").assert_bare_challenge();
    client.bearer("forged").get("/recent?max=60").assert_invalid_token();
    let mut alice = server.logged_in("alice");
    for malformed in ["/recent", "/recent?max=", "/recent?max=-1", "/recent?max=soon"] {
        alice.get(malformed).assert_problem(400);
    }
    let mut elsewhere = alice.with("sec-fetch-site", "cross-site");
    elsewhere.post_json("/reauthenticate", &json!({ "password": "alice-password" })).assert_problem(403);
    assert_eq!(alice.get("/me").status, 200);
}

#[test]
fn a_native_client_sends_its_refresh_token_and_gets_the_next_one() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let form = json!({ "username": "alice", "password": "alice-password" });
    let tokens = client.post_json("/token-login", &form).json();
    let mut native = client.bearer(tokens["access_token"].as_str().unwrap());
    let mut form = json!({ "password": "alice-password", "refresh_token": "forged" });
    native.post_json("/reauthenticate", &form).assert_bare_challenge();
    form["refresh_token"] = tokens["refresh_token"].clone();

    let response = native.post_json("/reauthenticate", &form);

    assert_eq!(response.status, 200, "{}", response.text());
    assert!(native.cookies.is_empty());
    let next = response.json();
    assert_ne!(next["refresh_token"], tokens["refresh_token"]);
    let mut refreshed = client.with("content-type", "application/x-www-form-urlencoded");
    for (refresh, status) in [(&tokens["refresh_token"], 400), (&next["refresh_token"], 200)] {
        let form = format!("grant_type=refresh_token&refresh_token={}", refresh.as_str().unwrap());
        assert_eq!(refreshed.send("POST", "/auth/token", &form).status, status);
    }
}
