//! Login, and the user of a request.

use serde_json::{Value, json};

use super::support::Server;

#[test]
fn a_login_answers_with_the_access_token_and_sets_both_cookies() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let response = client.post_json("/login", &json!({ "username": "alice", "password": "alice-password" }));
    assert_eq!(response.status, 200);
    let body = response.json();
    assert_eq!(body["access_token"].as_str().unwrap().split('.').count(), 3);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 15);
    assert_eq!(body.as_object().unwrap().len(), 3);
    for name in ["__Host-access", "__Host-refresh"] {
        let cookie = response.set_cookie(name).unwrap();
        for attribute in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age="] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
    }
    assert_eq!(response.header("cache-control"), "private, no-store");
}

#[test]
fn a_wrong_password_and_an_unknown_user_have_the_same_response() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let answers =
        [("alice", "bob-password"), ("carol", "carol-password"), ("", "")].map(|(username, password)| {
            let response = client.post_json("/login", &json!({ "username": username, "password": password }));
            response.assert_bare_challenge();
            assert!(client.cookies.is_empty());
            response.text()
        });
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
}

#[test]
fn me_returns_the_logged_in_user() {
    let server = Server::start(&[]);
    for (user, name, scope) in
        [("alice", "Alice", "user"), ("bob", "Bob", "user"), ("admin", "Admin", "user admin")]
    {
        let me = server.logged_in(user).get("/me");
        assert_eq!(me.status, 200);
        let me = me.json();
        assert_eq!((&me["sub"], &me["name"], &me["scope"]), (&json!(user), &json!(name), &json!(scope)));
        assert_eq!(me["sid"].as_str().unwrap().len(), 22);
        assert!(me["exp"].as_u64().unwrap() > 1_700_000_000);
        assert!(me["auth_time"].as_u64().unwrap() > me["exp"].as_u64().unwrap() - 60);
        assert_eq!(me["device_bound"], false);
        assert_eq!(me.as_object().unwrap().len(), 7);
    }
    server.client().get("/me").assert_bare_challenge();
}

#[test]
fn a_bearer_header_logs_in_without_cookies() {
    let server = Server::start(&[]);
    let token = server.client().log_in("bob");
    assert_eq!(server.client().bearer(&token).get("/me").json()["sub"], "bob");
}

#[test]
fn public_serves_every_request() {
    let server = Server::start(&[]);
    let mut alice = server.logged_in("alice");
    assert_eq!(alice.get("/public").json(), json!({ "authenticated": true, "sub": "alice" }));
    let anonymous = json!({ "authenticated": false, "sub": null });
    let mut forged = server.client();
    forged.cookies.insert("__Host-access".into(), "a.b.c".into());
    forged.cookies.insert("__Host-refresh".into(), "A".repeat(58));
    for mut client in [
        server.client(),
        server.client().bearer("forged"),
        server.client().bearer(""),
        server.client().bearer("one").with("authorization", "Bearer two"),
        alice.with("sec-fetch-site", "cross-site"),
        forged,
    ] {
        let response = client.get("/public");
        assert_eq!((response.status, response.json()), (200, anonymous.clone()));
    }
}

#[test]
fn optional_rejects_only_invalid_credentials() {
    let server = Server::start(&[]);
    let mut alice = server.logged_in("alice");
    let answer = |authenticated: bool, sub: Value| json!({ "authenticated": authenticated, "sub": sub });
    assert_eq!(alice.get("/optional").json(), answer(true, json!("alice")));
    assert_eq!(server.client().get("/optional").json(), answer(false, Value::Null));

    let mut dead = alice.without_access();
    alice.post("/auth/logout");
    let response = dead.get("/optional");
    assert_eq!((response.status, response.json()), (200, answer(false, Value::Null)));

    server.client().bearer("forged").get("/optional").assert_invalid_token();
    let alice = server.logged_in("alice");
    alice.with("sec-fetch-site", "cross-site").get("/optional").assert_problem(403);
    server.client().bearer("one").with("authorization", "Bearer two").get("/optional").assert_problem(400);
}

#[test]
fn admin_needs_the_scope() {
    let server = Server::start(&[]);
    assert_eq!(server.logged_in("admin").get("/admin").status, 200);
    let response = server.logged_in("bob").get("/admin");
    response.assert_problem(403);
    assert!(response.header("www-authenticate").contains("error=\"insufficient_scope\""));
    server.client().get("/admin").assert_bare_challenge();
}

#[test]
fn another_site_cannot_log_in() {
    let server = Server::start(&[]);
    let mut client = server.client().with("sec-fetch-site", "cross-site");
    let response = client.post_json("/login", &json!({ "username": "alice", "password": "alice-password" }));
    response.assert_problem(403);
    assert!(client.cookies.is_empty());
}
