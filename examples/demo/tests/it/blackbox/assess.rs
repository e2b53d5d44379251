//! `--assess user-agent`: another browser family than that of the login.

use super::support::{Client, Server};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0";
const NEWER_FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:151.0) Gecko/20100101 Firefox/151.0";
const CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";

/// The same jar in another browser.
fn in_browser(client: &Client, user_agent: &str) -> Client {
    let mut client = client.without_access();
    client.request_headers.retain(|(name, _)| *name != "user-agent");
    client.with("user-agent", user_agent)
}

fn firefox_of_alice(server: &Server) -> (Client, String) {
    let mut alice = server.client().with("user-agent", FIREFOX);
    alice.log_in("alice");
    let session = alice.get("/me").json()["sid"].as_str().unwrap().to_owned();
    (alice, session)
}

fn reason(server: &Server, session: &str) -> serde_json::Value {
    server.client().get(&format!("/demo/ended/{session}")).json()["reason"].clone()
}

#[test]
fn a_refresh_from_another_family_ends_the_session_as_suspicious() {
    for (arguments, variables) in
        [(&["--assess", "user-agent"][..], &[][..]), (&[], &[("DEMO_ASSESS", "user-agent")])]
    {
        let server = Server::start_with(arguments, variables);
        let (mut alice, session) = firefox_of_alice(&server);
        assert_eq!(in_browser(&alice, NEWER_FIREFOX).get("/me").status, 200, "an update is no theft");
        assert_eq!(reason(&server, &session), serde_json::Value::Null);

        let mut copy = in_browser(&alice, CHROME);
        copy.get("/me").assert_bare_challenge();
        assert!(!copy.cookies.keys().any(|name| name.ends_with("access")));

        alice.get("/me").assert_bare_challenge();
        assert_eq!(reason(&server, &session), "suspicious");
        let metrics = server.client().get("/metrics").text();
        for event in [
            "tower_refresh_events_total{event=\"suspicious\",detail=\"\"} 1",
            "tower_refresh_events_total{event=\"end\",detail=\"suspicious\"} 1",
        ] {
            assert!(metrics.contains(event), "{metrics}");
        }
        assert_eq!(firefox_of_alice(&server).0.get("/me").status, 200, "a new login works");
    }
}

#[test]
fn an_empty_user_agent_is_of_another_family() {
    let server = Server::start(&["--assess", "user-agent"]);
    let (alice, session) = firefox_of_alice(&server);
    in_browser(&alice, "").get("/me").assert_bare_challenge();
    assert_eq!(reason(&server, &session), "suspicious");
}

#[test]
fn the_reason_of_an_unknown_session_is_not_found() {
    let server = Server::start(&[]);
    server.client().get("/demo/ended/AAAAAAAAAAAAAAAAAAAAAA").assert_problem(404);
    server.client().get("/demo/ended/nonsense").assert_problem(400);
}

#[test]
fn without_the_flag_every_browser_may_refresh() {
    let server = Server::start(&[]);
    let (alice, session) = firefox_of_alice(&server);
    assert_eq!(in_browser(&alice, CHROME).get("/me").status, 200);
    assert_eq!(reason(&server, &session), serde_json::Value::Null);
}

/// The thief of the demonstration sends the owner's `User-Agent`.
#[test]
fn a_stolen_token_is_still_detected_by_its_reuse() {
    let server = Server::start(&["--assess", "user-agent"]);
    let (mut alice, session) = firefox_of_alice(&server);
    assert_eq!(alice.post("/demo/steal").json()[2]["status"], 401);
    assert_eq!(reason(&server, &session), "reuse");
}
