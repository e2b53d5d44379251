//! Databases and servers that fail under load: who has a valid access token notices nothing, who needs the store is told
//! when to try again, and afterwards everything is as it was acknowledged.
//!
//! Each test prints a row of the table in `docs/faults.md`: the fault and the store; how long it lasted; requests with a valid
//! access token, the longest; those with one near its end, the longest; refreshes; answers 503, the longest; logouts that
//! were acknowledged; requests that no server answered; how long after the fault the last 503 came.

use std::{
    env,
    thread::sleep,
    time::{Duration, Instant},
};

use super::support::{Cluster, Crowd, Fault, Node, Outage, Proxy, Service};

/// On the second server each request renews its access token: a valid one is no reason to fail there either.
const SERVERS: [&[&str]; 2] = [&quiet("0"), &quiet("0.999999")];
/// So that about half of the sessions are rotated for the first time before the fault, the others in it or after it.
const BEFORE: Duration = Duration::from_secs(15);
const KILLED_FOR: Duration = Duration::from_secs(4);
const AFTER: Duration = Duration::from_secs(6);
/// What a replica may not have when its master is killed.
const REPLICATED_WITHIN: Duration = Duration::from_secs(1);

/// The smallest damping that goes with the grace, so that rotations happen around the fault.
const fn quiet(refresh_ahead: &'static str) -> [&'static str; 8] {
    ["--access-ttl", "10m", "--grace", "1s", "--damping", "16s", "--refresh-ahead", refresh_ahead]
}

/// Lets a crowd work on two servers while something goes wrong, and checks what it has seen.
fn under_load(
    name: &str,
    fault: Fault,
    service: &mut Service,
    go_wrong: impl FnOnce(&mut Service) -> Outage,
) {
    let crowd = Crowd::start(service);
    sleep(BEFORE);
    let outage = go_wrong(service);
    sleep(AFTER);
    let witnesses = crowd.stop();
    witnesses.judge(name, fault, outage, service);
    // Another server, which has heard of no end so far, knows them as well.
    service.add(SERVERS[0]);
    witnesses.assert_they_are_over(service, witnesses.ended.iter());
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_killed_postgresql_costs_nobody_a_session() {
    killed(Node::postgres());
}

#[test]
#[ignore = "needs Redis"]
fn a_killed_redis_costs_nobody_a_session() {
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
fn a_frozen_postgresql_costs_nobody_a_session() {
    frozen(&Node::postgres());
}

#[test]
#[ignore = "needs Redis"]
fn a_frozen_redis_costs_nobody_a_session() {
    frozen(&Node::redis());
}

fn frozen(node: &Node) {
    let seconds = if env::var_os("LONG_FAULTS").is_some() { 20 } else { 8 };
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
fn cut_connections_to_postgresql_cost_nobody_a_session() {
    cut(&Node::postgres());
}

#[test]
#[ignore = "needs Redis"]
fn cut_connections_to_redis_cost_nobody_a_session() {
    cut(&Node::redis());
}

/// First all connections again and again, then the way is closed.
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
fn a_killed_master_of_a_cluster_costs_nobody_a_session() {
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
    witnesses.judge("master killed, replica promoted, Redis Cluster", Fault::StoreGone, outage, &service);

    // What was acknowledged by the master alone can be lost with it: replicas are not waited for by default.
    let is_at_risk = |at: Instant| at <= began && at + REPLICATED_WITHIN > began;
    let (at_risk, safe): (Vec<_>, Vec<_>) = witnesses.ended.iter().partition(|ended| is_at_risk(ended.at));
    service.add(SERVERS[0]);
    witnesses.assert_they_are_over(&service, safe.into_iter());
    let count = at_risk.len();
    let revived = witnesses.count_revived(at_risk.into_iter());
    println!("of {count} logouts in the last second before the master's end, {revived} were lost with it");
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_killed_server_on_postgresql_costs_nobody_a_session() {
    server_killed(&Node::postgres());
}

#[test]
#[ignore = "needs Redis"]
fn a_killed_server_on_redis_costs_nobody_a_session() {
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
