//! The second service, which verifies the access tokens of the first.

use std::{
    io::{Read, Write},
    net::TcpListener,
    time::{Duration, Instant},
};

use serde_json::json;

use super::support::{Client, Server, fails_to_start};
use crate::stores::support::{Cluster, Node, Store, until};

/// The time until the service knows about a session end.
const REPORTED_WITHIN: Duration = Duration::from_secs(10);

fn jwks_of(demo: &Server) -> String {
    format!("http://{}/.well-known/jwks.json", demo.address)
}

/// A service that verifies the tokens of `demo`.
fn service_of(demo: &Server, arguments: &[&str]) -> Server {
    start_service(&[&["--jwks", &jwks_of(demo)], arguments].concat())
}

fn start_service(arguments: &[&str]) -> Server {
    Server::start_service(&[&["service"], arguments].concat())
}

/// The access token of a new login.
fn token(demo: &Server, user: &str) -> String {
    demo.client().log_in(user)
}

fn with_token(service: &Server, token: &str) -> Client {
    service.client().bearer(token)
}

#[test]
fn it_accepts_the_tokens_of_the_application_with_each_algorithm() {
    for algorithm in ["EdDSA", "ES256", "RS256"] {
        let demo = Server::start(&["--algorithm", algorithm]);
        let service = service_of(&demo, &[]);
        let (alice, admin) = (token(&demo, "alice"), token(&demo, "admin"));

        let me = with_token(&service, &alice).get("/me").json();
        let at_the_application = demo.client().bearer(&alice).get("/me").json();
        assert_eq!(me, at_the_application, "{algorithm}");
        assert_eq!(me["sub"], "alice", "{algorithm}");

        for (token, path, status) in [
            (&alice, "/admin", 403),
            (&admin, "/admin", 200),
            (&alice, "/public", 200),
            (&alice, "/optional", 200),
            (&alice, "/nothing", 404),
        ] {
            assert_eq!(with_token(&service, token).get(path).status, status, "{algorithm} {path}");
        }
        let public = with_token(&service, &alice).get("/public").json();
        assert_eq!(public, json!({ "authenticated": true, "sub": "alice" }), "{algorithm}");
    }
}

#[test]
fn it_takes_no_token_from_a_cookie_and_sets_none() {
    let demo = Server::start(&[]);
    let service = service_of(&demo, &[]);
    let mut browser = demo.logged_in("alice");
    let mut at_the_service = service.client();
    at_the_service.cookies = std::mem::take(&mut browser.cookies);
    let before = at_the_service.cookies.clone();
    let response = at_the_service.get("/me");
    assert_eq!(response.status, 401);
    assert_eq!(response.header("www-authenticate"), "Bearer realm=\"tower-refresh-demo\"");
    assert_eq!(at_the_service.get("/public").json(), json!({ "authenticated": false, "sub": null }));
    assert_eq!(at_the_service.cookies, before);
}

#[test]
fn invalid_tokens_are_rejected_with_problem_documents() {
    let (demo, other) = (Server::start(&[]), Server::start(&[]));
    let service = service_of(&demo, &[]);
    let good = token(&demo, "alice");
    let forged = format!("{}AAAA", &good[..good.len() - 4]);
    for (token, reason) in [
        (forged, "the signature is another one"),
        (token(&other, "alice"), "another server has signed it"),
        ("x".to_owned(), "it is no token"),
    ] {
        for (path, status) in [("/me", 401), ("/optional", 401), ("/admin", 401), ("/public", 200)] {
            let response = with_token(&service, &token).get(path);
            assert_eq!(response.status, status, "{reason}: {path}");
            if status == 401 {
                assert_eq!(response.header("content-type"), "application/problem+json", "{reason}: {path}");
                assert!(response.header("www-authenticate").contains("error=\"invalid_token\""), "{reason}");
            }
        }
    }
}

#[test]
fn issuer_and_audience_must_be_those_of_the_application() {
    let names: &[&str] = &["--issuer", "https://login.example.test", "--audience", "orders"];
    let demo = Server::start(names);
    let token = token(&demo, "alice");
    for (arguments, status, reason) in [
        (names, 200, "the same"),
        (&["--issuer", "https://login.example.test"][..], 401, "another audience"),
        (&["--audience", "orders"][..], 401, "another issuer"),
    ] {
        let service = service_of(&demo, arguments);
        assert_eq!(with_token(&service, &token).get("/me").status, status, "{reason}");
    }
}

#[test]
fn without_keys_tokens_get_503_and_everything_else_goes_on() {
    // A port at which nothing listens, and a document without keys.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let demo = Server::start(&["--algorithm", "HS256"]);
    let token = token(&demo, "alice");
    for url in [format!("http://{free}/"), jwks_of(&demo), format!("http://{}/me", demo.address)] {
        let service = start_service(&["--jwks", &url]);
        let response = with_token(&service, &token).get("/me");
        assert_eq!(response.status, 503, "{url}");
        assert!(response.headers.contains_key("retry-after"), "{url}");
        let health = service.client().get("/healthz");
        assert_eq!(
            (health.status, health.header("content-type")),
            (503, "application/problem+json"),
            "{url}"
        );
        assert_eq!(service.client().get("/public").status, 200, "{url}");
        let metrics = service.client().get("/metrics").text();
        assert!(metrics.contains("tower_refresh_jwks_up 0"), "{url}: {metrics}");
    }
}

#[test]
fn no_redirect_is_followed_and_no_large_document_is_read() {
    let demo = Server::start(&[]);
    let token = token(&demo, "alice");
    let redirect = format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", jwks_of(&demo));
    let mut keys = demo.client().get("/.well-known/jwks.json").text();
    keys.push_str(&" ".repeat(64 * 1024));
    let large = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{keys}", keys.len());
    for (answer, reason) in [(redirect, "a redirect"), (large, "64 KiB more")] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        let service = start_service(&["--jwks", &url]);
        assert_eq!(with_token(&service, &token).get("/me").status, 503, "{reason}");
    }
}

#[test]
fn it_is_healthy_with_keys_and_stops_at_a_signal() {
    let demo = Server::start(&[]);
    let mut service = service_of(&demo, &[]);
    assert_eq!(service.client().get("/healthz").json(), json!({ "status": "ok" }));
    let metrics = service.client().get("/metrics").text();
    assert!(metrics.contains("tower_refresh_jwks_up 1"), "{metrics}");
    service.signal("TERM");
    let (status, output, errors) = service.wait();
    assert_eq!((status.code(), errors.as_str()), (Some(0), ""));
    assert!(output.contains(&jwks_of(&demo)), "{output}");
}

#[test]
fn mistakes_at_start_are_one_line() {
    for (arguments, named) in [
        (&["service"][..], "--jwks"),
        (&["service", "--jwks", "https://127.0.0.1/keys"][..], "http://"),
        (&["service", "--jwks", "http://127.0.0.1:1/", "--store", "memory:"][..], "memory:"),
        (&["service", "--jwks", "http://127.0.0.1:1/", "--store", "sqlite:/nothing/here.db"][..], "sqlite:"),
        (&["service", "--jwks", "http://127.0.0.1:1/", "--access-ttl", "5s"][..], "--access-ttl"),
        (&["--access-ttl", "5s", "service", "--jwks", "http://127.0.0.1:1/"][..], "service"),
    ] {
        let line = fails_to_start(arguments, &[]);
        assert!(line.starts_with("error: ") && line.contains(named), "{line}");
    }
}

#[test]
#[ignore = "part of the tests with real servers"]
fn a_logout_and_a_change_of_roles_reach_it_through_sqlite() {
    logouts_and_roles_reach_it(&Store::sqlite());
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_logout_and_a_change_of_roles_reach_it_through_postgresql() {
    logouts_and_roles_reach_it(&Store::Node(Node::postgres()));
}

#[test]
#[cfg(feature = "sqlx")]
#[ignore = "needs PostgreSQL"]
fn a_logout_and_a_change_of_roles_reach_it_through_postgresql_with_sqlx() {
    logouts_and_roles_reach_it(&Store::Node(Node::postgres_by_sqlx()));
}

#[test]
#[ignore = "needs Redis"]
fn a_logout_and_a_change_of_roles_reach_it_through_redis() {
    logouts_and_roles_reach_it(&Store::Node(Node::redis()));
}

#[test]
#[ignore = "needs a Redis Cluster"]
fn a_logout_and_a_change_of_roles_reach_it_through_a_redis_cluster() {
    logouts_and_roles_reach_it(&Store::Cluster(Cluster::start()));
}

#[test]
#[ignore = "needs Redis"]
fn a_user_of_redis_that_may_only_read_suffices() {
    let node = Node::redis();
    let demo = Server::start(&["--store", &node.url(), "--access-ttl", "10m"]);
    // Those that the store's documentation names.
    let text = include_str!("../../../../../crates/redis/src/lib.rs");
    let (_, rights) = text.split_once("ACL SETUSER reader").unwrap();
    let (rights, _) = rights.split_once("```").unwrap();
    let rights = rights.split_whitespace().filter(|&word| word != "//!" && word != "\\");
    let command = ["ACL", "SETUSER", "reader"].into_iter().chain(rights.map(|word| word.trim_matches('\'')));
    assert_eq!(node.ask(&command.collect::<Vec<_>>()).trim(), "OK");

    let url = node.url().replace("//", "//reader:secret@");
    let service = service_of(&demo, &["--store", &url]);
    let mut browser = demo.client();
    let mut at_the_service = with_token(&service, &browser.log_in("alice"));
    assert_eq!(at_the_service.get("/me").status, 200);
    assert_eq!(service.client().get("/healthz").json(), json!({ "status": "ok" }));
    assert_eq!(browser.post("/auth/logout").status, 204);
    until("the service rejects the token", REPORTED_WITHIN, || at_the_service.get("/me").status == 401);
}

fn logouts_and_roles_reach_it(store: &Store) {
    let url = store.url();
    let demo = Server::start(&["--store", &url, "--access-ttl", "10m"]);
    let service = service_of(&demo, &["--store", &url]);
    assert_eq!(service.client().get("/healthz").status, 200);
    let mut delays = Vec::new();
    for _ in 0..20 {
        let mut browser = demo.client();
        let token = browser.log_in("alice");
        let mut at_the_service = with_token(&service, &token);
        assert_eq!(at_the_service.get("/me").status, 200);
        assert_eq!(browser.post("/auth/logout").status, 204);
        let ended = Instant::now();
        until("the service rejects the token", REPORTED_WITHIN, || at_the_service.get("/me").status == 401);
        delays.push(ended.elapsed());
        assert!(at_the_service.get("/me").header("www-authenticate").contains("revoked"));
    }
    delays.sort();
    println!("{url}: a logout reaches the service after {:?}, at most {:?}", delays[10], delays[19]);

    let admin = demo.logged_in("admin");
    let bob = token(&demo, "bob");
    let mut at_the_service = with_token(&service, &bob);
    assert_eq!(at_the_service.get("/me").status, 200);
    let changed = admin.clone().send_json("PATCH", "/users/bob?now=true", &json!({ "scope": "user admin" }));
    assert_eq!(changed.status, 200, "{}", changed.text());
    until("the former roles are rejected", REPORTED_WITHIN, || at_the_service.get("/me").status == 401);
    let anew = token(&demo, "bob");
    assert_eq!(with_token(&service, &anew).get("/admin").status, 200);
}
