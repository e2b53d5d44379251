//! Session ends that wait for replicas.

use std::time::{Duration, Instant};

use tower_refresh_core::{EndReason, SessionStore, StoreErrorKind};
use tower_refresh_redis::{RedisOptions, RedisStore, Server};

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
async fn an_end_fails_if_the_server_cannot_wait_for_disks() {
    let primary = Redis::start_with(&[]);
    let options = RedisOptions::new().with_wait_for_disks(0, WAIT);
    let store = options.connect(Server::url(&primary.url()).unwrap()).await.unwrap();
    store.create(&row(1)).await.unwrap();
    // Redis before 7.2 does not have the command, and no version syncs without an append-only file.
    assert!(store.end(handle(1), EndReason::Logout, NOW, 7).await.is_err());
    assert!(store.load(handle(1)).await.unwrap().unwrap().ended.is_some());
}
