//! The sessions of a user, and how they end.

use serde_json::json;

use super::support::{Client, Server};

#[test]
fn the_list_contains_every_session() {
    let server = Server::start(&[]);
    server.client().with("user-agent", "telephone").log_in("alice");
    let mut laptop = server.client().with("user-agent", "laptop");
    laptop.log_in("alice");
    server.client().log_in("bob");

    let sessions = laptop.get("/auth/sessions");
    assert_eq!(sessions.status, 200);
    let sessions = sessions.json();
    assert_eq!(sessions.as_array().unwrap().len(), 2);
    assert_eq!(sessions[0]["user_agent"], "laptop");
    assert_eq!(sessions[1]["user_agent"], "telephone");
    assert_eq!((&sessions[0]["current"], &sessions[1]["current"]), (&json!(true), &json!(false)));
    assert_eq!(sessions[0]["handle"], laptop.get("/me").json()["sid"]);
    for session in sessions.as_array().unwrap() {
        assert_eq!(session["ip"], "127.0.0.1");
        for time in ["created_at", "last_used_at"] {
            let time = session[time].as_str().unwrap();
            assert!(humantime::parse_rfc3339(time).is_ok() && time.ends_with('Z'), "{time}");
        }
    }
}

#[test]
fn a_page_of_the_list_begins_after_a_session_of_the_user() {
    let server = Server::start(&[]);
    let mut bob = server.logged_in("bob");
    let strangers = bob.get("/me").json()["sid"].as_str().unwrap().to_owned();
    let (mut older, mut newer) = (server.logged_in("alice"), server.logged_in("alice"));
    let sid = |client: &mut Client| client.get("/me").json()["sid"].as_str().unwrap().to_owned();
    let (old, new) = (sid(&mut older), sid(&mut newer));

    let page = newer.get(&format!("/auth/sessions?after={new}")).json();
    assert_eq!((page.as_array().unwrap().len(), &page[0]["handle"]), (1, &json!(old)));
    assert_eq!(newer.get(&format!("/auth/sessions?after={old}")).json(), json!([]));
    newer.get("/auth/sessions?after=x").assert_problem(400);
    newer.get(&format!("/auth/sessions?after={strangers}")).assert_problem(404);
}

#[test]
fn a_session_is_ended_from_another_one() {
    let server = Server::start(&[]);
    let (mut here, mut there) = (server.logged_in("alice"), server.logged_in("alice"));
    let handle = there.get("/me").json()["sid"].as_str().unwrap().to_owned();
    let path = format!("/auth/sessions/{handle}");
    server.logged_in("bob").send("DELETE", &path, "").assert_problem(404);
    assert_eq!(there.get("/me").status, 200);
    assert_eq!(here.send("DELETE", &path, "").status, 204);
    there.get("/me").assert_bare_challenge();
    here.send("DELETE", &path, "").assert_problem(404);
    assert_eq!(here.get("/auth/sessions").json().as_array().unwrap().len(), 1);
}

#[test]
fn ending_the_current_session_removes_its_cookies() {
    let server = Server::start(&[]);
    let mut alice = server.logged_in("alice");
    let handle = alice.get("/me").json()["sid"].as_str().unwrap().to_owned();
    assert_eq!(alice.send("DELETE", &format!("/auth/sessions/{handle}"), "").status, 204);
    assert!(alice.cookies.is_empty());
}

#[test]
fn logout_ends_the_session_and_removes_the_cookies() {
    let server = Server::start(&[]);
    let mut alice = server.logged_in("alice");
    let copy = alice.clone();
    let response = alice.post("/auth/logout");
    assert_eq!(response.status, 204);
    for name in ["__Host-access", "__Host-refresh"] {
        assert!(response.set_cookie(name).unwrap().contains("Max-Age=0"));
    }
    assert!(alice.cookies.is_empty());
    copy.clone().get("/me").assert_bare_challenge();
    copy.without_access().get("/me").assert_bare_challenge();
    assert_eq!(server.client().post("/auth/logout").status, 204);
}

#[test]
fn logout_everywhere_ends_every_session_of_the_user() {
    let server = Server::start(&[]);
    let (mut here, mut there) = (server.logged_in("alice"), server.logged_in("alice"));
    let mut bob = server.logged_in("bob");
    assert_eq!(here.post("/auth/logout-everywhere").status, 204);
    assert!(here.cookies.is_empty());
    there.get("/me").assert_bare_challenge();
    there.without_access().get("/me").assert_bare_challenge();
    assert_eq!(bob.get("/me").status, 200);
}

#[test]
fn another_site_ends_nothing() {
    let server = Server::start(&[]);
    let mut alice = server.logged_in("alice");
    for path in ["/auth/logout", "/auth/logout-everywhere", "/auth/refresh", "/demo/steal"] {
        alice.with("sec-fetch-site", "cross-site").post(path).assert_problem(403);
    }
    assert_eq!(alice.get("/me").status, 200);
}

#[test]
fn a_new_login_ends_the_session_before() {
    let server = Server::start(&[]);
    let mut client = server.logged_in("alice");
    let before = client.clone();
    client.log_in("bob");
    assert_eq!(client.get("/me").json()["sub"], "bob");
    before.clone().get("/me").assert_bare_challenge();
}
