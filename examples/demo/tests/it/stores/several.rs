//! Two and three servers on one store, with shared keys: to a browser they are one.

use std::{
    collections::BTreeSet,
    sync::Mutex,
    thread::{scope, sleep},
    time::{Duration, Instant},
};

use super::support::{Answer, Browser, Cluster, Node, Service, Store, until};

/// Rotations as often as they can be, and access tokens that run out all the time.
const RESTLESS: &[&str] = &["--access-ttl", "2s", "--grace", "2s", "--damping", "17s"];
/// Access tokens that outlive the test.
const CALM: &[&str] = &["--access-ttl", "10m"];

/// As the library promises: within moments.
const HEARD_WITHIN: Duration = Duration::from_secs(2);
const PARALLEL: usize = 6;

#[test]
#[ignore = "part of the tests with real servers"]
fn servers_on_one_sqlite_file_are_one_to_a_browser() {
    are_one_to_a_browser(&Store::sqlite());
}

#[test]
#[ignore = "needs PostgreSQL"]
fn servers_on_one_postgresql_are_one_to_a_browser() {
    are_one_to_a_browser(&Store::Node(Node::postgres()));
}

#[test]
#[ignore = "needs Redis"]
fn servers_on_one_redis_are_one_to_a_browser() {
    are_one_to_a_browser(&Store::Node(Node::redis()));
}

#[test]
#[ignore = "needs a Redis Cluster"]
fn servers_on_one_redis_cluster_are_one_to_a_browser() {
    are_one_to_a_browser(&Store::Cluster(Cluster::start()));
}

#[test]
#[ignore = "part of the tests with real servers"]
fn a_logout_is_heard_and_a_restart_loses_nobody_on_sqlite() {
    logouts_are_heard_and_restarts_lose_nobody(&Store::sqlite());
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_logout_is_heard_and_a_restart_loses_nobody_on_postgresql() {
    logouts_are_heard_and_restarts_lose_nobody(&Store::Node(Node::postgres()));
}

#[test]
#[ignore = "needs Redis"]
fn a_logout_is_heard_and_a_restart_loses_nobody_on_redis() {
    logouts_are_heard_and_restarts_lose_nobody(&Store::Node(Node::redis()));
}

#[test]
#[ignore = "needs a Redis Cluster"]
fn a_logout_is_heard_and_a_restart_loses_nobody_on_a_redis_cluster() {
    logouts_are_heard_and_restarts_lose_nobody(&Store::Cluster(Cluster::start()));
}

/// Round robin and in parallel, first over two servers and then over three, across expiries and rotations.
fn are_one_to_a_browser(store: &Store) {
    let mut service = Service::start(&store.url(), &[RESTLESS, RESTLESS]);
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
            service.add(RESTLESS);
        }
    }
    assert!(renewals >= 8, "the access token was renewed {renewals} times");
    assert!(generations.len() >= 2, "the refresh token was rotated: {generations:?}");
    let listed = alice.get(2, "/auth/sessions").unwrap().body;
    assert_eq!(listed.as_array().unwrap().len(), 1, "one login is one session: {listed}");
}

/// The answers in the order in which they came.
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

fn logouts_are_heard_and_restarts_lose_nobody(store: &Store) {
    let mut service = Service::start(&store.url(), &[CALM, CALM, CALM]);
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

    // One logs out by itself, one is ended from the list of another.
    let mut leaver = devices.pop().unwrap();
    let ended = [leaver.clone(), devices[1].clone()];
    sids.remove(leaver.get(0, "/me").unwrap().sid());
    assert_eq!(leaver.post(0, "/auth/logout").unwrap().status, 204);
    is_over_everywhere(&service, &ended[0]);
    let other = devices.pop().unwrap().get(0, "/me").unwrap().sid().to_owned();
    sids.remove(&other);
    assert_eq!(devices[0].delete(2, &format!("/auth/sessions/{other}")).unwrap().status, 204);
    is_over_everywhere(&service, &ended[1]);
    all_servers_list(&service, &devices, &sids);

    for server in 0..service.count() {
        service.restart(server);
        for device in &devices {
            for mut device in [device.clone(), device.without_access()] {
                assert_eq!(device.get(server, "/me").unwrap().status, 200);
            }
        }
    }
    ended.iter().for_each(|browser| is_over_everywhere(&service, browser));
    all_servers_list(&service, &devices, &sids);
}

fn all_servers_list(service: &Service, devices: &[Browser], sids: &BTreeSet<String>) {
    for server in 0..service.count() {
        for device in devices {
            let listed = device.clone().get(server, "/auth/sessions").unwrap().body;
            let listed = listed.as_array().unwrap();
            let handles = listed.iter().map(|session| session["handle"].as_str().unwrap().to_owned());
            assert_eq!(handles.collect::<BTreeSet<_>>(), *sids, "by server {server}");
            assert_eq!(listed.iter().filter(|session| session["current"] == true).count(), 1);
        }
    }
}

/// Neither its refresh token is taken any more nor its access token, which has minutes to live.
fn is_over_everywhere(service: &Service, browser: &Browser) {
    for server in 0..service.count() {
        assert_eq!(browser.without_access().get(server, "/me").unwrap().status, 401, "server {server}");
        let mut bearer = browser.as_bearer();
        until("the server hears of the end", HEARD_WITHIN, || {
            bearer.get(server, "/me").unwrap().status == 401
        });
    }
}
