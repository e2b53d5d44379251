//! Many tasks at once, on one store and on several.

use std::sync::Arc;

use tokio::task::JoinSet;
use tower_refresh_core::{EndReason, SessionStore};
use tower_refresh_redis::RedisStore;

use crate::support::{Cluster, NOW, Redis, handle, row, with};

const TASKS: u32 = 64;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Redis"]
async fn of_64_tasks_that_swap_one_row_one_wins_each_version() {
    let server = Redis::start_with(&[]);
    one_wins_each_version(&server.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Redis Cluster"]
async fn of_64_tasks_that_swap_one_row_of_a_cluster_one_wins_each_version() {
    let cluster = Cluster::start(0);
    one_wins_each_version(&cluster.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Redis"]
async fn each_of_many_calls_of_two_stores_outdates_claims_among_swaps() {
    let server = Redis::start_with(&[]);
    let url = server.url();
    let stores =
        Arc::new([RedisStore::connect(&url).await.unwrap(), RedisStore::connect(&url).await.unwrap()]);
    stores[0].create(&row(1)).await.unwrap();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let stores = Arc::clone(&stores);
        tasks.spawn(async move {
            let store = &stores[task as usize % 2];
            let mut epochs = Vec::new();
            for round in 0..10 {
                let loaded = store.load(handle(1)).await.unwrap().unwrap();
                let next = with(loaded, |row| {
                    row.generation += 1;
                    row.data = vec![0; round];
                });
                let version = u64::from(task) * 100 + round as u64;
                store.compare_and_swap(&next, version).await.unwrap();
                epochs.push(store.outdate_claims(handle(1), NOW, version + 50).await.unwrap().unwrap());
            }
            epochs
        });
    }
    let mut epochs = tasks.join_all().await.concat();
    epochs.sort_unstable();
    assert_eq!(epochs, (1..=TASKS * 10).collect::<Vec<_>>(), "no call and no swap has undone another");
}

async fn one_wins_each_version(url: &str) {
    let stores = [RedisStore::connect(url).await.unwrap(), RedisStore::connect(url).await.unwrap()];
    let stores = Arc::new(stores);
    stores[0].create(&row(1)).await.unwrap();
    for version in 0..20 {
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            let stores = Arc::clone(&stores);
            let row = with(row(1), |row| (row.version, row.generation) = (version, task));
            tasks.spawn(async move {
                stores[task as usize % 2]
                    .compare_and_swap(&row, row.version + 1)
                    .await
                    .unwrap()
                    .then_some(task)
            });
        }
        let winners: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
        let stored = stores[1].load(handle(1)).await.unwrap().unwrap();
        assert_eq!((winners.as_slice(), stored.version), ([stored.generation].as_slice(), version + 1));
    }
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let stores = Arc::clone(&stores);
        tasks.spawn(async move {
            stores[task as usize % 2].end(handle(1), EndReason::Logout, NOW, 7).await.unwrap()
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|&ended| ended).count(), 1);
}
