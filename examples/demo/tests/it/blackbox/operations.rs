//! Metrics, health and public keys.

use super::support::Server;

#[test]
fn metrics_count_what_happens() {
    let server = Server::start(&[]);
    let login = "tower_refresh_events_total{event=\"login\",detail=\"\"}";
    let metrics = server.client().get("/metrics");
    assert_eq!(metrics.status, 200);
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    assert!(metrics.text().contains(&format!("{login} 0\n")), "{}", metrics.text());
    let mut alice = server.logged_in("alice");
    alice.post("/auth/refresh");
    alice.post("/auth/logout");
    let metrics = server.client().get("/metrics").text();
    for line in [
        format!("{login} 1\n"),
        "tower_refresh_events_total{event=\"refresh\",detail=\"current\"} 1\n".to_owned(),
        "tower_refresh_events_total{event=\"end\",detail=\"logout\"} 1\n".to_owned(),
        "# TYPE tower_refresh_events_total counter\n".to_owned(),
    ] {
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    }
}

#[test]
fn a_server_with_its_store_is_healthy() {
    let health = Server::start(&[]).client().get("/healthz");
    assert_eq!((health.status, &health.json()["status"]), (200, &"ok".into()));
}

#[test]
fn the_jwks_contains_the_public_key_of_each_algorithm() {
    for (algorithm, kty) in [("EdDSA", "OKP"), ("ES256", "EC"), ("RS256", "RSA")] {
        let server = Server::start(&["--algorithm", algorithm]);
        let keys = server.client().get("/.well-known/jwks.json").json()["keys"].clone();
        assert_eq!((&keys[0]["kty"], &keys[0]["alg"]), (&kty.into(), &algorithm.into()));
        assert!(keys[0].get("d").is_none());
        assert_eq!(server.logged_in("alice").get("/me").status, 200, "{algorithm}");
    }
    let server = Server::start(&["--algorithm", "HS256"]);
    assert_eq!(server.client().get("/.well-known/jwks.json").json()["keys"], serde_json::json!([]));
    assert_eq!(server.logged_in("alice").get("/me").status, 200);
}
