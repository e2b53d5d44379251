//! Access tokens that expire and are renewed.

use std::{
    thread::{self, sleep},
    time::Duration,
};

use super::support::Server;

/// Times in tokens are whole seconds, so a lifetime of 2 s may last little more than 1 s.
const TWO_SECONDS_AND_MORE: Duration = Duration::from_millis(2100);

#[test]
fn an_expired_access_token_is_renewed_in_the_same_request() {
    let server = Server::start(&["--access-ttl", "2s", "--refresh-ahead", "0"]);
    let mut alice = server.logged_in("alice");
    sleep(TWO_SECONDS_AND_MORE);
    let response = alice.get("/me");
    assert_eq!((response.status, &response.json()["sub"]), (200, &"alice".into()));
    let access = response.set_cookie("__Host-access").unwrap();
    assert!(access.contains("Max-Age=2"), "{access}");
    assert_eq!(response.header("x-demo-renewed"), "access");
    assert_eq!(alice.get("/me").header("x-demo-renewed"), "");
}

#[test]
fn an_expired_bearer_token_alone_is_rejected() {
    let server = Server::start(&["--access-ttl", "2s"]);
    let token = server.client().log_in("alice");
    sleep(TWO_SECONDS_AND_MORE);
    server.client().bearer(&token).get("/me").assert_invalid_token();
    server.client().bearer(&token).get("/optional").assert_invalid_token();
    assert_eq!(server.client().bearer(&token).get("/public").json()["authenticated"], false);
}

#[test]
fn an_expired_bearer_token_with_its_refresh_cookie_is_renewed_in_the_header() {
    let server = Server::start(&["--access-ttl", "2s"]);
    let mut alice = server.client();
    let token = alice.log_in("alice");
    sleep(TWO_SECONDS_AND_MORE);
    let mut alice = alice.without_access().with("authorization", &format!("Bearer {token}"));
    let response = alice.get("/me");
    assert_eq!(response.status, 200);
    let renewed = response.header("x-access-token");
    assert!(renewed.split('.').count() == 3 && renewed != token);
    assert!(response.set_cookie("__Host-access").is_none());
}

#[test]
fn twenty_parallel_requests_need_no_login_and_share_a_session() {
    let server = Server::start(&["--access-ttl", "10m", "--grace", "0s", "--damping", "15s"]);
    let alice = server.logged_in("alice").without_access();
    let statuses: Vec<_> = thread::scope(|scope| {
        let requests: Vec<_> = (0..20)
            .map(|_| {
                let mut client = alice.clone();
                scope.spawn(move || (client.get("/me").status, client.refresh_token()))
            })
            .collect();
        requests.into_iter().map(|request| request.join().unwrap()).collect()
    });
    assert_eq!(statuses.len(), 20);
    assert!(statuses.iter().all(|status| *status == statuses[0] && status.0 == 200), "{statuses:?}");
}

#[test]
fn refreshing_on_demand_answers_as_a_login_does() {
    let server = Server::start(&[]);
    let mut alice = server.logged_in("alice");
    let response = alice.post("/auth/refresh");
    assert_eq!(response.status, 200);
    let body = response.json();
    assert_eq!((&body["token_type"], &body["expires_in"]), (&"Bearer".into(), &15.into()));
    let token = body["access_token"].as_str().unwrap();
    assert_eq!(server.client().bearer(token).get("/me").json()["sub"], "alice");
}

#[test]
fn renewal_happens_on_any_status() {
    let server = Server::start(&["--access-ttl", "10m"]);
    let alice = server.logged_in("alice").without_access();
    for path in
        ["/status/204", "/status/302", "/status/404", "/status/500", "/nothing", "/slow", "/stream?n=1&ms=1"]
    {
        let response = alice.clone().get(path);
        assert!(response.set_cookie("__Host-access").is_some(), "{path}");
        assert_eq!(response.header("cache-control"), "private, no-store", "{path}");
    }
}

#[test]
fn an_access_token_near_its_expiry_is_renewed_ahead() {
    let server = Server::start(&["--access-ttl", "10m", "--refresh-ahead", "0.999999"]);
    let mut alice = server.logged_in("alice");
    sleep(Duration::from_millis(1100));
    assert_eq!(alice.get("/me").header("x-demo-renewed"), "access");
    let server = Server::start(&["--access-ttl", "10m", "--refresh-ahead", "0"]);
    assert_eq!(server.logged_in("alice").get("/me").header("x-demo-renewed"), "");
}

#[test]
fn a_session_that_was_not_used_expires() {
    let server = Server::start(&["--access-ttl", "2s", "--idle", "2s"]);
    let mut alice = server.logged_in("alice");
    assert_eq!(alice.get("/me").status, 200);
    sleep(TWO_SECONDS_AND_MORE);
    alice.get("/me").assert_bare_challenge();
    let server = Server::start(&["--access-ttl", "2s", "--absolute", "2s"]);
    let mut alice = server.logged_in("alice");
    sleep(TWO_SECONDS_AND_MORE);
    alice.get("/me").assert_bare_challenge();
}
