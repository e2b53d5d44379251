//! Databases and servers that fail under load. Requests with a valid access token are unaffected, requests that need the store
//! are answered with 503 and `Retry-After`, and afterwards all acknowledged changes are in effect.
//!
//! Each test prints a row of the table in `docs/faults.md`: the fault and the store; its duration; requests with a valid access
//! token, the longest; requests with one near its expiry, the longest; refreshes; responses with 503, the longest; acknowledged
//! logouts; requests without a response; the time from the end of the fault to the last 503.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use super::support::{Cluster, Crowd, Fault, Node, Outage, Proxy, Service, is_long};

/// On the second server each request renews its access token. Requests with a valid one must not fail there either.
const SERVERS: [&[&str]; 2] = [&arguments("0"), &arguments("0.999999")];
/// With this duration about half of the sessions rotate for the first time before the fault, the others later.
const BEFORE: Duration = Duration::from_secs(15);
const KILLED_FOR: Duration = Duration::from_secs(4);
const AFTER: Duration = Duration::from_secs(6);
/// Writes of this period may be missing on a replica when its master is killed.
const REPLICATED_WITHIN: Duration = Duration::from_secs(1);

/// The shortest damping interval for this grace period, so that rotations happen around the fault.
const fn arguments(refresh_ahead: &'static str) -> [&'static str; 8] {
    ["--access-ttl", "10m", "--grace", "1s", "--damping", "16s", "--refresh-ahead", refresh_ahead]
}

/// Sends requests to two servers during a fault, and checks the responses.
fn under_load(name: &str, fault: Fault, service: &mut Service, cause: impl FnOnce(&mut Service) -> Outage) {
    let crowd = Crowd::start(service);
    sleep(BEFORE);
    let outage = cause(service);
    sleep(AFTER);
    let witnesses = crowd.stop();
    witnesses.check(name, fault, outage, service);
    // A new server, which has received no report of a session end, rejects them too.
    service.add(SERVERS[0]);
    witnesses.assert_ended(service, witnesses.ended.iter());
}

#[test]
#[ignore = "needs PostgreSQL"]
fn no_session_is_lost_when_postgresql_is_killed() {
    killed(Node::postgres());
}

#[test]
#[cfg(feature = "sqlx")]
#[ignore = "needs PostgreSQL"]
fn no_session_is_lost_when_postgresql_with_sqlx_is_killed() {
    killed(Node::postgres_by_sqlx());
}

#[test]
#[ignore = "needs Redis"]
fn no_session_is_lost_when_redis_is_killed() {
    killed(Node::redis());
}

fn killed(mut node: Node) {
    let name = format!("kill -9 and restart, {}", node.name());
    let mut service = Service::start(&node.url(), &SERVERS);
    under_load(&name, Fault::StoreGone, &mut service, |_| {
        let began = Instant::now();
        node.kill();
        sleep(KILLED_FOR);
        let ended = Instant::now();
        node.restart();
        Outage { began, ended }
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn no_session_is_lost_when_postgresql_is_frozen() {
    frozen(&Node::postgres());
}

#[test]
#[cfg(feature = "sqlx")]
#[ignore = "needs PostgreSQL"]
fn no_session_is_lost_when_postgresql_with_sqlx_is_frozen() {
    frozen(&Node::postgres_by_sqlx());
}

#[test]
#[ignore = "needs Redis"]
fn no_session_is_lost_when_redis_is_frozen() {
    frozen(&Node::redis());
}

fn frozen(node: &Node) {
    let seconds = if is_long() { 20 } else { 8 };
    let name = format!("SIGSTOP, {}", node.name());
    let mut service = Service::start(&node.url(), &SERVERS);
    under_load(&name, Fault::StoreGone, &mut service, |_| {
        let began = Instant::now();
        node.freeze();
        sleep(Duration::from_secs(seconds));
        let ended = Instant::now();
        node.thaw();
        Outage { began, ended }
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn no_session_is_lost_when_connections_to_postgresql_are_cut() {
    cut(&Node::postgres());
}

#[test]
#[cfg(feature = "sqlx")]
#[ignore = "needs PostgreSQL"]
fn no_session_is_lost_when_connections_to_postgresql_with_sqlx_are_cut() {
    cut(&Node::postgres_by_sqlx());
}

#[test]
#[ignore = "needs Redis"]
fn no_session_is_lost_when_connections_to_redis_are_cut() {
    cut(&Node::redis());
}

/// Cuts all connections repeatedly, then also rejects new ones.
fn cut(node: &Node) {
    let name = format!("connections cut, {}", node.name());
    let proxy = Proxy::to(node.port);
    let mut service = Service::start(&node.url_at(proxy.port), &SERVERS);
    under_load(&name, Fault::StoreGone, &mut service, |_| {
        let began = Instant::now();
        for _ in 0..10 {
            proxy.cut();
            sleep(Duration::from_millis(200));
        }
        proxy.close();
        sleep(Duration::from_secs(3));
        proxy.open();
        Outage { began, ended: Instant::now() }
    });
}

#[test]
#[ignore = "needs a Redis Cluster"]
fn no_session_is_lost_when_a_master_of_a_cluster_is_killed() {
    let mut cluster = Cluster::start();
    let mut service = Service::start(&cluster.url(), &SERVERS);
    let crowd = Crowd::start(&service);
    sleep(BEFORE);
    let began = Instant::now();
    cluster.kill_a_master();
    cluster.until_replaced();
    let outage = Outage { began, ended: Instant::now() };
    sleep(AFTER / 2);
    cluster.restart_the_killed();
    sleep(AFTER / 2);
    let witnesses = crowd.stop();
    witnesses.check("master killed, replica promoted, Redis Cluster", Fault::StoreGone, outage, &service);

    // Writes that only the master acknowledged can be lost with it: by default the store does not wait for replicas.
    let is_at_risk = |at: Instant| at <= began && at + REPLICATED_WITHIN > began;
    let (at_risk, safe): (Vec<_>, Vec<_>) = witnesses.ended.iter().partition(|ended| is_at_risk(ended.at));
    service.add(SERVERS[0]);
    witnesses.assert_ended(&service, safe.into_iter());
    let count = at_risk.len();
    let revived = witnesses.count_revived(at_risk.into_iter());
    println!("of {count} logouts in the last second before the master was killed, {revived} were lost");
}

#[test]
#[ignore = "needs PostgreSQL"]
fn no_session_is_lost_when_a_server_on_postgresql_is_killed() {
    server_killed(&Node::postgres());
}

#[test]
#[cfg(feature = "sqlx")]
#[ignore = "needs PostgreSQL"]
fn no_session_is_lost_when_a_server_on_postgresql_with_sqlx_is_killed() {
    server_killed(&Node::postgres_by_sqlx());
}

#[test]
#[ignore = "needs Redis"]
fn no_session_is_lost_when_a_server_on_redis_is_killed() {
    server_killed(&Node::redis());
}

fn server_killed(node: &Node) {
    let name = format!("our own server killed, {}", node.name());
    let mut service = Service::start(&node.url(), &SERVERS);
    under_load(&name, Fault::ServerGone, &mut service, |service| {
        let began = Instant::now();
        service.kill(0);
        sleep(KILLED_FOR);
        service.start_again(0);
        Outage { began, ended: Instant::now() }
    });
}
