//! The demonstration of a theft.

use serde_json::json;

use super::support::Server;

#[test]
fn a_copied_refresh_token_ends_the_session() {
    let server = Server::start(&[]);
    let mut alice = server.logged_in("alice");
    let mut elsewhere = server.logged_in("alice");
    let steps = alice.post("/demo/steal");
    assert_eq!(steps.status, 200);
    let shown: Vec<_> = steps
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (step["who"].clone(), step["generation"].clone(), step["status"].clone()))
        .collect();
    let expected = [("thief", 0, 200), ("thief", 1, 200), ("you", 0, 401), ("thief", 2, 401)];
    assert_eq!(
        shown,
        expected.map(|(who, generation, status)| (json!(who), json!(generation), json!(status)))
    );

    alice.get("/me").assert_bare_challenge();
    alice.without_access().get("/me").assert_bare_challenge();
    assert_eq!(elsewhere.get("/me").status, 200, "only the stolen session ends");
    let metrics = server.client().get("/metrics").text();
    assert!(metrics.contains("tower_refresh_events_total{event=\"end\",detail=\"reuse\"} 1"), "{metrics}");
}

#[test]
fn the_theft_is_detected_at_the_owners_next_request() {
    let server = Server::start(&[]);
    let mut alice = server.logged_in("alice");
    let steps = alice.post("/demo/steal/use-copy").json();
    assert_eq!(steps.as_array().unwrap().len(), 2, "{steps}");
    assert_eq!((&steps[0]["received"], &steps[1]["received"]), (&json!(1), &json!(2)));
    assert_eq!(alice.post("/demo/steal/use-again").json()["status"], 200, "the theft is not detected yet");

    alice.post("/auth/refresh").assert_bare_challenge();
    let again = alice.post("/demo/steal/use-again").json();
    assert_eq!((&again["generation"], &again["status"]), (&json!(2), &json!(401)));
}

#[test]
fn only_the_last_victim_can_use_the_copy_again() {
    let server = Server::start(&[]);
    let (mut alice, mut bob) = (server.logged_in("alice"), server.logged_in("bob"));
    alice.post("/demo/steal/use-copy");
    bob.post("/demo/steal/use-again").assert_problem(400);
    server.client().post("/demo/steal/use-again").assert_problem(400);
    server.client().post("/demo/steal/use-copy").assert_bare_challenge();
}

#[test]
fn the_demonstration_works_with_other_times_and_repeatedly() {
    let server = Server::start(&["--grace", "10m", "--damping", "12h"]);
    for _ in 0..3 {
        let mut bob = server.logged_in("bob");
        let steps = bob.post("/demo/steal").json();
        assert_eq!(steps[2]["status"], 401, "{steps}");
        bob.get("/me").assert_bare_challenge();
    }
}

#[test]
fn the_demonstration_needs_a_refresh_cookie() {
    let server = Server::start(&[]);
    server.client().post("/demo/steal").assert_bare_challenge();
    let token = server.client().log_in("alice");
    server.client().bearer(&token).post("/demo/steal").assert_problem(400);
}
