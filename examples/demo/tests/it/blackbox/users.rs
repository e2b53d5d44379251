//! Changes to users.

use serde_json::json;

use super::support::{Client, Response, Server};

fn patch(client: &mut Client, name: &str, change: serde_json::Value) -> Response {
    client.send_json("PATCH", &format!("/users/{name}"), &change)
}

#[test]
fn a_change_takes_effect_at_the_next_refresh() {
    let server = Server::start(&["--access-ttl", "10m"]);
    let (mut admin, mut bob) = (server.logged_in("admin"), server.logged_in("bob"));
    let response = patch(&mut admin, "bob", json!({ "scope": "user admin", "name": "Robert" }));
    assert_eq!(response.status, 200);
    assert_eq!(bob.get("/me").json()["name"], "Bob");
    bob.get("/admin").assert_problem(403);

    assert_eq!(bob.post("/auth/refresh").status, 200);
    let me = bob.get("/me").json();
    assert_eq!((&me["name"], &me["scope"]), (&json!("Robert"), &json!("user admin")));
    assert_eq!(bob.get("/admin").status, 200);
}

#[test]
fn a_change_takes_effect_at_once_where_that_is_asked_for() {
    let server = Server::start(&["--access-ttl", "10m", "--store", "memory:"]);
    let (mut admin, mut bob, mut alice) =
        (server.logged_in("admin"), server.logged_in("bob"), server.logged_in("alice"));
    assert_eq!(patch(&mut admin, "bob", json!({ "scope": "user admin" })).status, 200);
    let refreshed = bob.post("/auth/refresh").json();
    let (sid, access) = (bob.get("/me").json()["sid"].clone(), refreshed["access_token"].as_str().unwrap());
    assert_eq!(bob.get("/admin").status, 200);

    let change = json!({ "scope": "user" });
    assert_eq!(admin.send_json("PATCH", "/users/bob?now=true", &change).status, 200);

    let response = bob.get("/admin");
    response.assert_problem(403);
    assert!(response.set_cookie("__Host-access").is_some(), "the access token is refreshed in that request");
    let me = bob.get("/me").json();
    assert_eq!((&me["scope"], &me["sid"]), (&json!("user"), &sid), "in the same session, without a login");
    assert_eq!(alice.get("/me").status, 200);
    server.client().bearer(access).get("/me").assert_invalid_token();

    admin.send_json("PATCH", "/users/carol?now=true", &change).assert_problem(404);
    assert_eq!(admin.send_json("PATCH", "/users/bob?now=soon", &change).status, 400);
}

#[test]
fn a_disabled_user_stays_logged_in_until_the_next_refresh_and_cannot_log_in_again() {
    let server = Server::start(&["--access-ttl", "10m"]);
    let (mut admin, mut bob) = (server.logged_in("admin"), server.logged_in("bob"));
    assert_eq!(patch(&mut admin, "bob", json!({ "disabled": true })).status, 200);
    assert_eq!(bob.get("/me").status, 200);
    bob.without_access().get("/me").assert_bare_challenge();
    bob.get("/me").assert_bare_challenge();
    let form = json!({ "username": "bob", "password": "bob-password" });
    server.client().post_json("/login", &form).assert_bare_challenge();

    assert_eq!(patch(&mut admin, "bob", json!({ "disabled": false })).status, 200);
    bob.without_access().get("/me").assert_bare_challenge();
    assert_eq!(server.client().post_json("/login", &form).status, 200);
}

#[test]
fn omitted_members_remain_unchanged() {
    let server = Server::start(&[]);
    let mut admin = server.logged_in("admin");
    assert_eq!(patch(&mut admin, "alice", json!({})).status, 200);
    assert_eq!(patch(&mut admin, "alice", json!({ "name": "Al" })).status, 200);
    let me = server.logged_in("alice").get("/me").json();
    assert_eq!((&me["name"], &me["scope"]), (&json!("Al"), &json!("user")));
}

#[test]
fn invalid_changes_are_problems() {
    let server = Server::start(&[]);
    let mut admin = server.logged_in("admin");
    patch(&mut admin, "carol", json!({ "name": "Carol" })).assert_problem(404);
    for change in [
        json!({ "disabled": "yes" }),
        json!({ "scope": ["user"] }),
        json!({ "scope": "two  spaces" }),
        json!({ "name": "" }),
        json!({ "nmae": "Alice" }),
        json!([]),
    ] {
        patch(&mut admin, "alice", change).assert_problem(422);
    }
    let mut broken = admin.with("content-type", "application/json");
    broken.send("PATCH", "/users/alice", "{").assert_problem(400);
    admin.send("PATCH", "/users/alice", "{}").assert_problem(415);
}

#[test]
fn only_admins_change_users() {
    let server = Server::start(&[]);
    patch(&mut server.logged_in("alice"), "alice", json!({ "scope": "admin" })).assert_problem(403);
    patch(&mut server.client(), "alice", json!({ "scope": "admin" })).assert_bare_challenge();
    let mut admin = server.logged_in("admin").with("sec-fetch-site", "same-site");
    patch(&mut admin, "alice", json!({ "scope": "admin" })).assert_problem(403);
}
