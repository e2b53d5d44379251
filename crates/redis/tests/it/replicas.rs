//! Session ends that wait for replicas.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use tower_refresh_core::{EndReason, Page, SessionStore, StoreErrorKind};
use tower_refresh_redis::{OpenErrorKind, RedisOptions, RedisStore, Server};

use crate::support::{Cluster, NOW, Redis, handle, row};

const WAIT: Duration = Duration::from_millis(400);

async fn waiting_store(url: &str, wait: Duration) -> RedisStore {
    RedisOptions::new().with_wait_for_replicas(1, wait).connect(Server::url(url).unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Redis"]
async fn an_end_is_acknowledged_after_a_replica_has_it() {
    let primary = Redis::start_with(&["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]);
    let replica = primary.start_replica();
    let store = waiting_store(&primary.url(), WAIT).await;
    for number in 0..20 {
        store.create(&row(number)).await.unwrap();
    }
    assert!(store.end(handle(0), EndReason::Logout, NOW, 7).await.unwrap());
    let head: Vec<u8> =
        replica.ask(&["GETRANGE", &format!("tower-refresh:s:{}", handle(0)), "9", "9"]).unwrap();
    assert_eq!(head, [1], "the replica has the end");

    replica.freeze();
    let started = Instant::now();
    let error = store.end(handle(1), EndReason::Logout, NOW, 7).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::TimedOut);
    assert!(started.elapsed() >= WAIT && started.elapsed() < WAIT * 3);
    assert!(store.load(handle(1)).await.unwrap().unwrap().ended.is_some(), "it is ended on the primary");
    let again = store.end(handle(1), EndReason::Logout, NOW, 7).await.unwrap_err();
    assert_eq!(again.kind(), StoreErrorKind::TimedOut, "no replica has it yet");

    // Refreshes do not wait for replicas.
    let ending = tokio::spawn({
        let store = store.clone();
        async move { store.end(handle(2), EndReason::Logout, NOW, 7).await }
    });
    tokio::time::sleep(WAIT / 4).await;
    let started = Instant::now();
    assert!(store.compare_and_swap(&row(3), row(3).version + 1).await.unwrap());
    assert!(started.elapsed() < WAIT / 4);
    assert!(ending.await.unwrap().is_err());

    replica.thaw();
    assert!(
        !store.end(handle(1), EndReason::Logout, NOW, 7).await.unwrap(),
        "it was ended before, and the replica has it now"
    );
    let subject = row(0).subject;
    assert_eq!(store.end_subject(&subject, None, EndReason::Revoked, NOW, 7).await.unwrap().len(), 17);
}

#[tokio::test]
#[ignore = "needs a Redis Cluster"]
async fn an_end_on_a_cluster_waits_for_a_replica_of_its_primary() {
    let cluster = Cluster::start(1);
    let store = waiting_store(&cluster.url(), WAIT * 8).await;
    for number in 0..12 {
        store.create(&row(number)).await.unwrap();
        assert!(store.end(handle(number), EndReason::Logout, NOW, 7).await.unwrap());
    }
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_server_that_cannot_wait_for_disks_is_rejected_when_the_store_is_opened() {
    let primary = Redis::start_with(&[]);
    let options = RedisOptions::new().with_wait_for_disks(0, WAIT);
    let error = options.connect(Server::url(&primary.url()).unwrap()).await.unwrap_err();
    // Redis before 7.2 does not have the command, and no version syncs without an append-only file.
    assert_eq!(error.kind(), OpenErrorKind::UnsupportedServer);
    assert!(error.source().unwrap().to_string().contains("WAITAOF"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Redis"]
async fn a_thousand_ends_wait_for_a_replica_once() {
    let primary = Redis::start_with(&["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]);
    let replica = primary.start_replica();
    let store = waiting_store(&primary.url(), WAIT).await;
    for number in 0..1000 {
        store.create(&row(number)).await.unwrap();
    }
    replica.freeze();
    let calls = || primary.ask::<String>(&["INFO", "commandstats"]).unwrap();
    let waits = || calls().lines().find_map(|line| count(line.strip_prefix("cmdstat_wait:calls=")?)).unwrap();
    let before = waits();
    let alice = row(0).subject;
    let started = Instant::now();
    let ended = store.end_subject(&alice, None, EndReason::Revoked, NOW, 7).await.unwrap();
    assert_eq!(ended.len(), 1000, "they are returned although the replica does not have them");
    assert!(started.elapsed() < WAIT + Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(waits(), before + 1);
    for _ in 0..2 {
        let error = store.end_subject(&alice, None, EndReason::Revoked, NOW, 7).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::TimedOut, "the replica still does not have them");
        assert_eq!(store.list(&alice, NOW, Page::first(10)).await.unwrap(), []);
    }
    replica.thaw();
    assert_eq!(store.end_subject(&alice, None, EndReason::Revoked, NOW, 7).await.unwrap(), []);
    for number in [0, 999] {
        let key = format!("tower-refresh:s:{}", handle(number));
        let head: Vec<u8> = replica.ask(&["GETRANGE", &key, "9", "9"]).unwrap();
        assert_eq!(head, [5], "the replica has the end");
    }
}

fn count(line: &str) -> Option<u64> {
    line.split(',').next()?.parse().ok()
}

#[tokio::test]
#[ignore = "needs a Redis Cluster"]
async fn the_end_of_a_subject_on_a_cluster_waits_for_a_replica_of_each_primary() {
    let cluster = Cluster::start(1);
    let store = waiting_store(&cluster.url(), WAIT * 8).await;
    for number in 0..300 {
        store.create(&row(number)).await.unwrap();
    }
    let ended = store.end_subject(&row(0).subject, None, EndReason::Revoked, NOW, 7).await.unwrap();
    assert_eq!(ended.len(), 300);
    assert_eq!(store.end_subject(&row(0).subject, None, EndReason::Revoked, NOW, 7).await.unwrap(), []);
    for number in 0..300 {
        assert!(store.load(handle(number)).await.unwrap().unwrap().ended.is_some());
    }
    let waits = cluster.nodes.iter().map(|node| {
        let stats: String = node.ask(&["INFO", "commandstats"]).unwrap();
        stats.lines().find_map(|line| count(line.strip_prefix("cmdstat_wait:calls=")?)).unwrap_or(0)
    });
    // One when the store was opened, and one for the ends.
    let waited: Vec<_> = waits.filter(|&calls| calls > 0).collect();
    assert_eq!(waited, [2, 2, 2]);
}
