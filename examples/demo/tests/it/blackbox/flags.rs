//! The flags and their environment variables.

use std::fs;

use super::support::Server;

#[test]
fn the_transports_of_the_access_token_can_be_disabled() {
    let server = Server::start(&["--access-cookie", "off"]);
    let mut alice = server.client();
    let token = alice.log_in("alice");
    assert_eq!(alice.cookies.keys().collect::<Vec<_>>(), ["__Host-refresh"]);
    assert_eq!(server.client().bearer(&token).get("/me").status, 200);
    assert!(!alice.get("/me").header("x-access-token").is_empty());

    let server = Server::start(&["--access-header", "off"]);
    let mut alice = server.client();
    let token = alice.log_in("alice");
    server.client().bearer(&token).get("/me").assert_bare_challenge();
    assert_eq!(alice.get("/me").status, 200);
}

#[test]
fn with_insecure_http_cookies_have_no_prefix() {
    let server = Server::start(&["--insecure-http"]);
    let mut alice = server.logged_in("alice");
    assert_eq!(alice.cookies.keys().collect::<Vec<_>>(), ["access", "refresh"]);
    let response = alice.post("/auth/refresh");
    let cookie = response.set_cookie("access").unwrap();
    assert!(cookie.contains("HttpOnly") && !cookie.contains("Secure"), "{cookie}");
    assert_eq!(alice.post("/demo/steal").json()[2]["status"], 401);
}

#[test]
fn a_trusted_origin_can_use_the_users_cookies() {
    let origins =
        ["--trusted-origin", "https://app.example.com", "--trusted-origin", "http://localhost:5173"];
    let server = Server::start(&origins);
    let alice = server.logged_in("alice");
    for origin in ["https://app.example.com", "http://localhost:5173"] {
        let response = alice.with("origin", origin).with("sec-fetch-site", "same-site").get("/me");
        assert_eq!(response.status, 200);
        assert_eq!(response.header("access-control-allow-origin"), origin);
        assert_eq!(response.header("access-control-allow-credentials"), "true");
    }
    let mut other = alice.with("origin", "https://evil.example").with("sec-fetch-site", "cross-site");
    let response = other.get("/me");
    response.assert_problem(403);
    assert_eq!(response.header("access-control-allow-origin"), "");

    let mut preflight = server
        .client()
        .with("origin", "https://app.example.com")
        .with("access-control-request-method", "PATCH")
        .with("access-control-request-headers", "content-type");
    let response = preflight.send("OPTIONS", "/users/alice", "");
    assert_eq!(response.status, 200);
    assert!(response.header("access-control-allow-methods").contains("PATCH"));
}

#[test]
fn servers_that_share_keys_accept_each_others_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let (secret, other) = (folder.path().join("secret"), folder.path().join("other"));
    fs::write(&secret, [7; 32]).unwrap();
    fs::write(&other, [8; 32]).unwrap();
    let (secret, other) = (secret.to_str().unwrap(), other.to_str().unwrap());
    let start = |signing: &str| {
        Server::start(&["--algorithm", "HS256", "--signing-key", signing, "--refresh-key", secret])
    };
    let (one, two, third) = (start(secret), start(secret), start(other));
    let token = one.client().log_in("alice");
    assert_eq!(two.client().bearer(&token).get("/me").json()["sub"], "alice");
    third.client().bearer(&token).get("/me").assert_invalid_token();
}

#[test]
fn flags_override_environment_variables() {
    let variables = [
        ("DEMO_ALGORITHM", "ES256"),
        ("DEMO_ACCESS_TTL", "20s"),
        ("DEMO_INSECURE_HTTP", "true"),
        ("DEMO_ACCESS_HEADER", "off"),
        ("DEMO_TRUSTED_ORIGIN", "https://one.example,https://two.example"),
    ];
    let server = Server::start_with(&["--access-ttl", "30s"], &variables);
    let mut alice = server.logged_in("alice");
    assert_eq!(alice.cookies.keys().collect::<Vec<_>>(), ["access", "refresh"]);
    assert!(alice.post("/auth/refresh").json()["expires_in"].as_u64().unwrap() > 20);
    assert_eq!(server.client().get("/.well-known/jwks.json").json()["keys"][0]["alg"], "ES256");
    for origin in ["https://one.example", "https://two.example"] {
        assert_eq!(alice.with("origin", origin).with("sec-fetch-site", "cross-site").get("/me").status, 200);
    }
}
