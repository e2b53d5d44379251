//! Sessions in a SQLite file with the keys beside it, which survive a restart.
#![cfg(unix)]

use std::{fs, os::unix::fs::PermissionsExt, thread::sleep, time::Duration};

use serde_json::json;

use super::support::{Client, Server, fails_to_start};

/// The same client with a restarted server, which has another port.
fn at(server: &Server, client: &Client) -> Client {
    let mut moved = server.client();
    moved.cookies.clone_from(&client.cookies);
    moved
}

#[test]
fn by_default_sessions_are_in_a_file_in_the_current_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start_in(folder.path(), &[]);
    server.signal("TERM");
    let (_, output, errors) = server.wait();
    assert!(output.contains("sqlite:demo.db"), "{output}");
    assert_eq!(errors, "", "no warning: the keys are stored");
    for name in ["demo.db", "demo.db.eddsa.pem", "demo.db.refresh.key"] {
        let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn users_stay_logged_in_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let before = Server::start_in(folder.path(), &["--access-ttl", "10m"]);
    let (alice, mut bob) = (before.logged_in("alice"), before.logged_in("bob"));
    let gone = bob.clone();
    bob.post("/auth/logout");
    before.stop();

    let server = Server::start_in(folder.path(), &["--access-ttl", "10m"]);
    assert_eq!(at(&server, &alice).get("/me").json()["sub"], "alice");
    assert_eq!(at(&server, &alice).without_access().get("/me").json()["sub"], "alice");
    at(&server, &gone).without_access().get("/me").assert_bare_challenge();
}

#[test]
fn another_algorithm_has_another_key_and_the_same_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let before = Server::start_in(folder.path(), &[]);
    let alice = before.logged_in("alice");
    before.stop();
    let server = Server::start_in(folder.path(), &["--algorithm", "ES256"]);
    assert!(folder.path().join("demo.db.es256.pem").exists());
    let mut alice = at(&server, &alice);
    let response = alice.get("/me");
    assert_eq!((response.status, response.header("x-demo-renewed")), (200, "access"));
}

#[test]
fn two_servers_share_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Server::start_in(folder.path(), &["--access-ttl", "10m"]);
    let (one, two) = (start(), start());
    let mut alice = one.logged_in("alice");
    assert_eq!(at(&two, &alice).get("/me").status, 200);
    assert_eq!(at(&two, &alice).without_access().get("/me").status, 200);
    let copy = alice.clone();
    assert_eq!(alice.post("/auth/logout").status, 204);
    at(&two, &copy).without_access().get("/me").assert_bare_challenge();
}

#[test]
fn a_theft_is_detected_with_sqlite_too() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_in(folder.path(), &[]);
    let mut alice = server.logged_in("alice");
    assert_eq!(alice.post("/demo/steal").json()[2]["status"], 401);
    alice.get("/me").assert_bare_challenge();
}

#[test]
fn an_unusable_file_is_reported_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    fs::write(&other, "this is no database, but it is long enough to be taken for one ".repeat(20)).unwrap();
    for path in [folder.path().join("missing/demo.db"), folder.path().to_owned(), other] {
        let line = fails_to_start(&["--store", &format!("sqlite:{}", path.display())], &[]);
        assert!(line.starts_with("error: ") && line.contains(path.to_str().unwrap()), "{line}");
    }
    assert!(fails_to_start(&["--store", "sqlite:"], &[]).contains("sqlite:"));
}

#[test]
fn what_a_login_chose_and_its_tenant_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let before = Server::start_in(folder.path(), &["--access-ttl", "10m"]);
    let mut alice = before.client();
    let form = json!({ "username": "alice", "password": "alice-password", "remember": false, "idle": "90d", "absolute": "1h" });
    assert_eq!(alice.post_json("/login", &form).status, 200);
    assert_eq!(alice.send("PUT", "/tenant/acme", "").status, 200);
    let mut bob = before.client();
    let form = json!({ "username": "bob", "password": "bob-password", "idle": "3s" });
    assert_eq!(bob.post_json("/login", &form).status, 200);
    before.stop();

    let server = Server::start_in(folder.path(), &["--access-ttl", "10m"]);
    let mut alice = at(&server, &alice).without_access();
    let me = alice.get("/me");
    assert_eq!(me.json()["tenant"], "acme");
    assert!(!me.set_cookie("__Host-access").unwrap().contains("Max-Age"));
    sleep(Duration::from_secs(3));
    at(&server, &bob).without_access().get("/me").assert_bare_challenge();
}
