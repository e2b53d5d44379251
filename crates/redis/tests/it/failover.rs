//! Primaries that fail, and replicas that take over.

use std::time::{Duration, Instant};

use tower_refresh_core::{EndReason, Page, SessionStore};
use tower_refresh_redis::{RedisOptions, RedisStore, Server};

use crate::support::{Cluster, NOW, Watched, follow, handle, row, until_async, with};

const SESSIONS: u64 = 60;
const WAIT: Duration = Duration::from_secs(3);

/// Creates sessions and ends those with the lower numbers, half of them. Each session end is on a replica before it is acknowledged.
async fn fill(url: &str) -> RedisStore {
    let options = RedisOptions::new().with_wait_for_replicas(1, WAIT);
    let store = options.connect(Server::url(url).unwrap()).await.unwrap();
    for number in 0..SESSIONS {
        store.create(&row(number)).await.unwrap();
    }
    for number in 0..SESSIONS / 2 {
        assert!(store.end(handle(number), EndReason::Logout, NOW, 7).await.unwrap());
    }
    store
}

/// All sessions can be refreshed or are still ended, and no call takes longer than its time limit.
async fn recovers(store: &RedisStore) {
    for number in 0..SESSIONS {
        until_async("the session is there", async || {
            let asked = Instant::now();
            let loaded = store.load(handle(number)).await;
            assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
            let Ok(loaded) = loaded else { return false };
            let loaded = loaded.unwrap();
            if number < SESSIONS / 2 {
                assert!(loaded.ended.is_some(), "session {number} is still ended");
                return true;
            }
            let next = with(loaded, |row| row.generation = 1);
            store.compare_and_swap(&next, next.version + 1).await.is_ok_and(|won| won)
        })
        .await;
    }
    until_async("the log can be read", async || {
        let (seen, _following) = follow(store, NOW);
        tokio::time::sleep(Duration::from_millis(300)).await;
        (0..SESSIONS / 2).all(|number| seen.has_seen(handle(number)))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Redis Cluster"]
async fn a_replica_takes_over_from_a_killed_primary_of_a_cluster() {
    let mut cluster = Cluster::start(1);
    let store = fill(&cluster.url()).await;
    let primary = cluster.primary_of(&format!("tower-refresh:s:{}", handle(SESSIONS - 1)));
    cluster.nodes[primary].kill();
    recovers(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Redis Cluster"]
async fn a_replica_takes_over_from_a_frozen_primary_of_a_cluster() {
    let cluster = Cluster::start(1);
    let store = fill(&cluster.url()).await;
    let primary = cluster.primary_of(&format!("tower-refresh:s:{}", handle(SESSIONS - 1)));
    cluster.nodes[primary].freeze();
    recovers(&store).await;
    cluster.nodes[primary].thaw();
    recovers(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Redis"]
async fn the_store_follows_a_failover_by_sentinel() {
    let mut watched = Watched::start();
    let store = fill(&watched.url()).await;
    watched.primary.kill();
    recovers(&store).await;
    let role: (String, redis::Value, redis::Value) = watched.replica.ask(&["ROLE"]).unwrap();
    assert_eq!(role.0, "master");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Redis Cluster"]
async fn a_session_that_a_failover_removed_from_the_index_is_back_after_its_next_refresh() {
    let cluster = Cluster::start(0);
    let store = RedisStore::connect(&cluster.url()).await.unwrap();
    let sessions: Vec<_> = (0..2).map(row).collect();
    for session in &sessions {
        store.create(session).await.unwrap();
    }
    let alice = &sessions[0].subject;
    let index = format!("tower-refresh:i:{alice}");
    let _: u64 = cluster.nodes[cluster.primary_of(&index)].ask(&["DEL", &index]).unwrap();
    assert_eq!(store.list(alice, NOW, Page::first(10)).await.unwrap(), []);

    for session in &sessions {
        assert!(store.compare_and_swap(session, 5).await.unwrap());
    }
    let listed = store.list(alice, NOW, Page::first(10)).await.unwrap();
    assert!(listed.iter().map(|row| row.handle).eq([handle(1), handle(0)]));
    let ended = store.end_subject(alice, None, EndReason::Revoked, NOW, 7).await.unwrap();
    assert_eq!(ended.len(), 2);
}
