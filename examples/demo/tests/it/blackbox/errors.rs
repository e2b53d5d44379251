//! Every error is a problem document.

use serde_json::json;

use super::support::Server;

#[test]
fn an_unknown_route_is_a_problem() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for path in ["/nothing", "/login/x", "/auth", "/auth/nothing", "/users", "/%ff", "/favicon.ico"] {
        client.get(path).assert_problem(404);
    }
}

#[test]
fn an_unsupported_method_is_a_problem_and_lists_the_methods() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for (method, path, allowed) in [
        ("GET", "/login", "POST"),
        ("DELETE", "/me", "GET,HEAD"),
        ("POST", "/public", "GET,HEAD"),
        ("GET", "/echo", "POST"),
        ("GET", "/auth/refresh", "POST"),
        ("POST", "/auth/sessions", "GET,HEAD"),
        ("POST", "/metrics", "GET,HEAD"),
        ("POST", "/", "GET,HEAD"),
    ] {
        let response = client.send(method, path, "");
        response.assert_problem(405);
        assert_eq!(response.header("allow"), allowed, "{path}");
    }
}

#[test]
fn a_malformed_login_form_is_a_problem() {
    let server = Server::start(&[]);
    let mut json = server.client().with("content-type", "application/json");
    for (body, status) in [
        ("{", 400),
        ("nonsense", 400),
        ("[]", 422),
        ("{}", 422),
        (r#"{"username":"alice"}"#, 422),
        (r#"{"username":1,"password":"x"}"#, 422),
    ] {
        json.send("POST", "/login", body).assert_problem(status);
    }
    json.post("/login").assert_problem(400);
    let mut form = server.client().with("content-type", "application/x-www-form-urlencoded");
    form.send("POST", "/login", "username=alice&password=alice-password").assert_problem(415);
    server.client().post("/login").assert_problem(415);
}

#[test]
fn a_login_form_that_is_too_large_is_a_problem() {
    let server = Server::start(&[]);
    // Only slightly more than the limit: a client that keeps sending after the server has closed may lose the response.
    let form = json!({ "username": "alice", "password": "x".repeat(2 * 1024 * 1024) });
    server.client().post_json("/login", &form).assert_problem(413);
}

#[test]
fn the_routes_of_the_library_respond_with_problems_too() {
    let server = Server::start(&[]);
    server.client().post("/auth/refresh").assert_bare_challenge();
    server.client().get("/auth/sessions").assert_bare_challenge();
    server.client().post("/auth/logout-everywhere").assert_bare_challenge();
    server.client().send("DELETE", "/auth/sessions/x", "").assert_bare_challenge();
    let mut alice = server.logged_in("alice");
    alice.send("DELETE", "/auth/sessions/x", "").assert_problem(404);
    alice.send("DELETE", "/auth/sessions/%ff", "").assert_problem(404);
}
