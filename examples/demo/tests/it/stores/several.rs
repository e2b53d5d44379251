//! Two and three servers with one store and shared keys: a browser cannot distinguish them.

use std::{
    collections::BTreeSet,
    sync::Mutex,
    thread::{scope, sleep},
    time::{Duration, Instant},
};

use super::support::{Answer, Browser, Cluster, Node, Service, Store, until};

/// Frequent rotations, and access tokens that expire soon.
const SHORT_LIVED: &[&str] = &["--access-ttl", "2s", "--grace", "2s", "--damping", "17s"];
/// Access tokens that outlive the test.
const LONG_LIVED: &[&str] = &["--access-ttl", "10m"];

/// The time until all servers know about a session end.
const REPORTED_WITHIN: Duration = Duration::from_secs(2);
const PARALLEL: usize = 6;

#[test]
#[ignore = "part of the tests with real servers"]
fn servers_with_one_sqlite_file_work_as_one() {
    work_as_one_server(&Store::sqlite());
}

#[test]
#[ignore = "needs PostgreSQL"]
fn servers_with_one_postgresql_work_as_one() {
    work_as_one_server(&Store::Node(Node::postgres()));
}

#[test]
#[cfg(feature = "sqlx")]
#[ignore = "needs PostgreSQL"]
fn servers_with_one_postgresql_with_sqlx_work_as_one() {
    work_as_one_server(&Store::Node(Node::postgres_by_sqlx()));
}

#[test]
#[ignore = "needs Redis"]
fn servers_with_one_redis_work_as_one() {
    work_as_one_server(&Store::Node(Node::redis()));
}

#[test]
#[ignore = "needs a Redis Cluster"]
fn servers_with_one_redis_cluster_work_as_one() {
    work_as_one_server(&Store::Cluster(Cluster::start()));
}

#[test]
#[ignore = "part of the tests with real servers"]
fn logouts_are_reported_and_sessions_survive_restarts_on_sqlite() {
    logouts_are_reported_and_sessions_survive_restarts(&Store::sqlite());
}

#[test]
#[ignore = "needs PostgreSQL"]
fn logouts_are_reported_and_sessions_survive_restarts_on_postgresql() {
    logouts_are_reported_and_sessions_survive_restarts(&Store::Node(Node::postgres()));
}

#[test]
#[cfg(feature = "sqlx")]
#[ignore = "needs PostgreSQL"]
fn logouts_are_reported_and_sessions_survive_restarts_on_postgresql_with_sqlx() {
    logouts_are_reported_and_sessions_survive_restarts(&Store::Node(Node::postgres_by_sqlx()));
}

#[test]
#[ignore = "needs Redis"]
fn logouts_are_reported_and_sessions_survive_restarts_on_redis() {
    logouts_are_reported_and_sessions_survive_restarts(&Store::Node(Node::redis()));
}

#[test]
#[ignore = "needs a Redis Cluster"]
fn logouts_are_reported_and_sessions_survive_restarts_on_a_redis_cluster() {
    logouts_are_reported_and_sessions_survive_restarts(&Store::Cluster(Cluster::start()));
}

#[test]
#[ignore = "part of the tests with real servers"]
fn a_role_taken_away_is_gone_on_every_server_on_sqlite() {
    a_role_taken_away_is_gone_on_every_server(&Store::sqlite());
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_role_taken_away_is_gone_on_every_server_on_postgresql() {
    a_role_taken_away_is_gone_on_every_server(&Store::Node(Node::postgres()));
}

#[test]
#[cfg(feature = "sqlx")]
#[ignore = "needs PostgreSQL"]
fn a_role_taken_away_is_gone_on_every_server_on_postgresql_with_sqlx() {
    a_role_taken_away_is_gone_on_every_server(&Store::Node(Node::postgres_by_sqlx()));
}

#[test]
#[ignore = "needs Redis"]
fn a_role_taken_away_is_gone_on_every_server_on_redis() {
    a_role_taken_away_is_gone_on_every_server(&Store::Node(Node::redis()));
}

#[test]
#[ignore = "needs a Redis Cluster"]
fn a_role_taken_away_is_gone_on_every_server_on_a_redis_cluster() {
    a_role_taken_away_is_gone_on_every_server(&Store::Cluster(Cluster::start()));
}

/// Round robin and in parallel, first over two servers and then over three, across expiries and rotations.
fn work_as_one_server(store: &Store) {
    let mut service = Service::start(&store.url(), &[SHORT_LIVED, SHORT_LIVED]);
    let mut alice = service.browser();
    assert_eq!(alice.log_in(0, "alice").unwrap().status, 200);
    let sid = alice.get(1, "/me").unwrap().sid().to_owned();

    let (mut renewals, mut generations) = (0, BTreeSet::new());
    for seconds in [6, 15] {
        let started = Instant::now();
        for round in 0.. {
            let answers = match round % 5 {
                0 => in_parallel(&alice, service.count()),
                _ => vec![alice.get(round % service.count(), "/me").unwrap()],
            };
            for answer in answers {
                assert_eq!((answer.status, answer.sid()), (200, &*sid), "{}", answer.body);
                renewals += usize::from(answer.renewed());
                generations.insert(answer.generation());
                alice.keep(&answer.headers);
            }
            if started.elapsed() > Duration::from_secs(seconds) {
                break;
            }
            sleep(Duration::from_millis(150));
        }
        if service.count() == 2 {
            service.add(SHORT_LIVED);
        }
    }
    assert!(renewals >= 8, "the access token was renewed {renewals} times");
    assert!(generations.len() >= 2, "the refresh token was rotated: {generations:?}");
    let listed = alice.get(2, "/auth/sessions").unwrap().body;
    assert_eq!(listed.as_array().unwrap().len(), 1, "one login is one session: {listed}");
}

/// The responses in the order in which they arrived.
fn in_parallel(browser: &Browser, servers: usize) -> Vec<Answer> {
    let answers = Mutex::new(Vec::new());
    scope(|scope| {
        for request in 0..PARALLEL {
            let (mut browser, answers) = (browser.clone(), &answers);
            scope.spawn(move || {
                let answer = browser.get(request % servers, "/me").unwrap();
                answers.lock().unwrap().push(answer);
            });
        }
    });
    answers.into_inner().unwrap()
}

fn logouts_are_reported_and_sessions_survive_restarts(store: &Store) {
    let mut service = Service::start(&store.url(), &[LONG_LIVED, LONG_LIVED, LONG_LIVED]);
    let logged_in = |server| {
        let mut browser = service.browser();
        assert_eq!(browser.log_in(server, "alice").unwrap().status, 200);
        browser
    };
    let mut devices: Vec<_> = (0..service.count()).map(logged_in).collect();
    let mut sids = BTreeSet::new();
    for device in &mut devices {
        sids.insert(device.get(0, "/me").unwrap().sid().to_owned());
    }
    assert_eq!(sids.len(), 3);
    all_servers_list(&service, &devices, &sids);

    // One device logs out, another one is ended from the list of sessions.
    let mut leaver = devices.pop().unwrap();
    let ended = [leaver.clone(), devices[1].clone()];
    sids.remove(leaver.get(0, "/me").unwrap().sid());
    assert_eq!(leaver.post(0, "/auth/logout").unwrap().status, 204);
    assert_ended_on_all_servers(&service, &ended[0]);
    let other = devices.pop().unwrap().get(0, "/me").unwrap().sid().to_owned();
    sids.remove(&other);
    assert_eq!(devices[0].delete(2, &format!("/auth/sessions/{other}")).unwrap().status, 204);
    assert_ended_on_all_servers(&service, &ended[1]);
    all_servers_list(&service, &devices, &sids);

    for server in 0..service.count() {
        service.restart(server);
        for device in &devices {
            for mut device in [device.clone(), device.without_access()] {
                assert_eq!(device.get(server, "/me").unwrap().status, 200);
            }
        }
    }
    ended.iter().for_each(|browser| assert_ended_on_all_servers(&service, browser));
    all_servers_list(&service, &devices, &sids);
}

fn all_servers_list(service: &Service, devices: &[Browser], sids: &BTreeSet<String>) {
    for server in 0..service.count() {
        for device in devices {
            let listed = device.clone().get(server, "/auth/sessions").unwrap().body;
            let listed = listed.as_array().unwrap();
            let handles = listed.iter().map(|session| session["handle"].as_str().unwrap().to_owned());
            assert_eq!(handles.collect::<BTreeSet<_>>(), *sids, "from server {server}");
            assert_eq!(listed.iter().filter(|session| session["current"] == true).count(), 1);
        }
    }
}

/// All servers reject its refresh token and its access token, which has not expired.
fn assert_ended_on_all_servers(service: &Service, browser: &Browser) {
    for server in 0..service.count() {
        assert_eq!(browser.without_access().get(server, "/me").unwrap().status, 401, "server {server}");
        let mut bearer = browser.as_bearer();
        until("the session end is reported to the server", REPORTED_WITHIN, || {
            bearer.get(server, "/me").unwrap().status == 401
        });
    }
}

/// How often a role changes on one server, while another server is watched.
const CHANGES: usize = 50;

/// Each server has its own table of users, as its own connection to the application's database would.
fn a_role_taken_away_is_gone_on_every_server(store: &Store) {
    let service = Service::start(&store.url(), &[LONG_LIVED, LONG_LIVED]);
    let mut admin = service.browser();
    assert_eq!(admin.log_in(0, "admin").unwrap().status, 200);
    let mut bob = service.browser();
    assert_eq!(bob.log_in(0, "bob").unwrap().status, 200);
    let sid = bob.get(0, "/me").unwrap().sid().to_owned();

    let mut delays = Vec::with_capacity(CHANGES);
    for change in 0..CHANGES {
        let is_admin = change % 2 == 0;
        let scope = if is_admin { r#"{"scope":"user admin"}"# } else { r#"{"scope":"user"}"# };
        let mut bearer = bob.as_bearer();
        assert_eq!(bearer.get(1, "/me").unwrap().status, 200, "until the change");
        assert_eq!(admin.patch(1, "/users/bob", scope).unwrap().status, 200);

        let answer = admin.patch(0, "/users/bob?now=true", scope).unwrap();

        let changed = Instant::now();
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(bearer.get(0, "/me").unwrap().status, 401, "at once on this server");
        while bearer.get(1, "/me").unwrap().status != 401 {
            assert!(changed.elapsed() < REPORTED_WITHIN, "the other server has not heard of it");
        }
        delays.push(changed.elapsed());
        let mut elsewhere = bob.clone();
        assert_eq!(elsewhere.get(0, "/admin").unwrap().status, if is_admin { 200 } else { 403 });
        let answer = bob.get(1, "/admin").unwrap();
        assert_eq!(answer.status, if is_admin { 200 } else { 403 }, "in that very request");
        assert!(answer.renewed());
        assert_eq!(bob.get(1, "/me").unwrap().sid(), sid, "without a login");
    }
    delays.sort_unstable();
    let (median, high) = (delays[CHANGES / 2], delays[CHANGES * 99 / 100]);
    println!(
        "{CHANGES} changes of a role reached the other server within {median:.1?} (p50), {high:.1?} (p99)"
    );
}
