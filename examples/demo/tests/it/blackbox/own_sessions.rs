//! What a login chooses for its session, and the tenant of a session.

use std::{thread::sleep, time::Duration};

use serde_json::{Value, json};

use super::support::{Client, Response, Server};

const COOKIES: [&str; 2] = ["__Host-access", "__Host-refresh"];

fn log_in(client: &mut Client, options: &Value) -> Response {
    let mut form = json!({ "username": "alice", "password": "alice-password" });
    form.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    client.post_json("/login", &form)
}

fn has_max_age(response: &Response, name: &str) -> bool {
    response.set_cookie(name).unwrap().contains("Max-Age=")
}

#[test]
fn a_user_who_is_not_to_be_remembered_has_cookies_without_max_age_at_each_refresh() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let login = log_in(&mut client, &json!({ "remember": false }));
    assert_eq!(login.status, 200);
    let renewed = client.without_access().get("/me");
    assert_eq!(renewed.status, 200);
    assert!(COOKIES.iter().all(|name| !has_max_age(&login, name)));
    assert!(!has_max_age(&renewed, COOKIES[0]));

    let login = log_in(&mut server.client(), &json!({ "remember": true }));
    assert!(COOKIES.iter().all(|name| has_max_age(&login, name)));
}

#[test]
fn a_login_has_its_own_lifetimes() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let login = log_in(&mut client, &json!({ "idle": "90d", "absolute": "365d" }));
    assert_eq!(login.status, 200);
    assert!(login.set_cookie(COOKIES[1]).unwrap().contains("Max-Age=7776000"), "90 days");

    let login = log_in(&mut client, &json!({ "idle": "2s", "absolute": "1h" }));
    assert_eq!(login.status, 200);
    assert!(login.json()["expires_in"].as_u64().unwrap() <= 2);
    sleep(Duration::from_secs(2));
    client.get("/me").assert_bare_challenge();
}

#[test]
fn options_that_the_library_refuses_are_a_bad_request_and_leave_the_old_session() {
    let server = Server::start(&["--access-ttl", "10m"]);
    let mut client = server.client();
    client.log_in("bob");
    for options in [
        json!({ "idle": "0s" }),
        json!({ "idle": "500ms" }),
        json!({ "absolute": "0s" }),
        json!({ "absolute": "401d" }),
        json!({ "absolute": "soon" }),
        json!({ "idle": "10" }),
    ] {
        let response = log_in(&mut client, &options);
        response.assert_problem(400);
        assert!(COOKIES.iter().all(|name| response.set_cookie(name).is_none()), "{options}");
        assert_eq!(client.get("/me").json()["sub"], "bob");
    }
    let wrong = json!({ "username": "alice", "password": "wrong", "idle": "0s" });
    client.post_json("/login", &wrong).assert_bare_challenge();
}

#[test]
fn a_tenant_is_in_the_claims_at_once_and_after_each_refresh() {
    let server = Server::start(&[]);
    let mut alice = server.logged_in("alice");
    let mut other = server.logged_in("alice");
    let sid = alice.get("/me").json()["sid"].clone();

    let response = alice.send("PUT", "/tenant/acme%20inc", "");
    assert_eq!(response.status, 200);
    assert_eq!(response.json()["token_type"], "Bearer");
    assert_eq!(response.header("cache-control"), "private, no-store");
    assert!(response.set_cookie(COOKIES[0]).is_some() && response.set_cookie(COOKIES[1]).is_none());
    let me = alice.get("/me").json();
    assert_eq!((&me["tenant"], &me["sid"]), (&json!("acme inc"), &sid));
    assert_eq!(alice.without_access().get("/me").json()["tenant"], "acme inc");
    assert_eq!(other.get("/me").json().get("tenant"), None, "another session of the user");

    let token = response.json()["access_token"].as_str().unwrap().to_owned();
    let mut script = server.client().bearer(&token);
    let switched = script.send("PUT", "/tenant/globex", "");
    assert_eq!(switched.status, 200);
    assert_ne!(switched.header("x-access-token"), "");
    assert_eq!(alice.without_access().get("/me").json()["tenant"], "globex");

    server.client().send("PUT", "/tenant/acme", "").assert_bare_challenge();
    alice.with("sec-fetch-site", "cross-site").send("PUT", "/tenant/acme", "").assert_problem(403);
}

#[test]
fn a_tenant_that_fits_into_no_access_cookie_changes_nothing() {
    let server = Server::start(&[]);
    let mut alice = server.logged_in("alice");
    assert_eq!(alice.send("PUT", "/tenant/acme", "").status, 200);
    alice.send("PUT", &format!("/tenant/{}", "t".repeat(8192)), "").assert_problem(500);
    alice.send("PUT", &format!("/tenant/{}", "t".repeat(8193)), "").assert_problem(400);
    assert_eq!(alice.get("/me").json()["tenant"], "acme");
    assert_eq!(alice.without_access().get("/me").json()["tenant"], "acme");
    assert_eq!(alice.send("PUT", &format!("/tenant/{}", "t".repeat(1024)), "").status, 200);
    assert_eq!(alice.get("/me").json()["tenant"].as_str().unwrap().len(), 1024);
}
