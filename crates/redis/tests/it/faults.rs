//! Servers that are killed, frozen, lose their scripts, or lose connections.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;
use tower_refresh_core::{EndReason, SessionStore, StoreError};
use tower_refresh_redis::RedisStore;

use crate::support::{NOW, Redis, handle, row, until_async, with};

const TASKS: u64 = 64;
/// How many sessions have ended at least before the server is killed, in each of three rounds.
const ENDED_PER_ROUND: u64 = 34;
const LIMIT: Duration = Duration::from_millis(1500);

#[tokio::test]
#[ignore = "needs Redis"]
async fn scripts_are_loaded_again_if_the_server_lost_them() {
    let server = Redis::start_with(&[]);
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let forget = || server.ask::<String>(&["SCRIPT", "FLUSH"]).unwrap();
    store.create(&row(1)).await.unwrap();
    forget();
    store.create(&row(2)).await.unwrap();
    forget();
    assert!(store.compare_and_swap(&row(1), row(1).version + 1).await.unwrap());
    forget();
    assert!(store.end(handle(1), EndReason::Logout, NOW, 7).await.unwrap());
    forget();
    assert_eq!(
        store.end_subject(&row(1).subject, None, EndReason::Logout, NOW, 7).await.unwrap(),
        [handle(2)]
    );
    forget();
    store.purge_dead(NOW).await.unwrap();
}

/// What was acknowledged for a session: the login, this many swaps, and the end.
#[derive(Debug, Default)]
struct Acknowledged {
    created: bool,
    version: u64,
    ended: bool,
    failure: Option<StoreError>,
}

/// What all tasks of a test share.
#[derive(Default)]
struct Progress {
    stop: AtomicBool,
    /// The number of acknowledged ends.
    ended: AtomicU64,
}

/// Creates sessions, refreshes each ten times and ends every other one, until it is stopped; returns what was acknowledged.
async fn work(store: RedisStore, task: u64, progress: Arc<Progress>) -> Vec<(u64, Acknowledged)> {
    let mut all = Vec::new();
    for number in (task * 1_000_000..).take_while(|_| !progress.stop.load(Ordering::Relaxed)) {
        let mut known = Acknowledged::default();
        known.failure = one(&store, number, &mut known).await.err();
        progress.ended.fetch_add(u64::from(known.ended), Ordering::Relaxed);
        all.push((number, known));
    }
    all
}

async fn one(store: &RedisStore, number: u64, known: &mut Acknowledged) -> Result<(), StoreError> {
    store.create(&row(number)).await?;
    known.created = true;
    for version in 0..10 {
        let row = with(row(number), |row| row.version = version);
        assert!(store.compare_and_swap(&row, version + 1).await?, "no other task writes this row");
        known.version = version + 1;
    }
    if number.is_multiple_of(2) {
        assert!(
            store.end(handle(number), EndReason::Logout, NOW, 7).await?,
            "no other task ends this session"
        );
        known.ended = true;
    }
    Ok(())
}

async fn check(store: &RedisStore, all: &[(u64, Acknowledged)]) {
    for (number, known) in all {
        let row = store.load(handle(*number)).await.unwrap();
        assert!(row.is_some() || !known.created, "session {number} is there");
        let Some(row) = row else { continue };
        assert!(
            row.ended.is_some() || row.version >= known.version,
            "session {number} has each write: {row:?} {known:?}"
        );
        assert!(row.ended.is_some() || !known.ended, "session {number} is ended");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Redis"]
async fn every_acknowledged_write_survives_a_killed_server() {
    let mut server = Redis::start();
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let mut all = Vec::new();
    for round in 0..3 {
        let progress = Arc::<Progress>::default();
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            tasks.spawn(work(store.clone(), task + round * TASKS, Arc::clone(&progress)));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        // Longer on a machine that is busy.
        until_async("some are acknowledged", async || {
            progress.ended.load(Ordering::Relaxed) > ENDED_PER_ROUND
        })
        .await;
        server.kill();
        progress.stop.store(true, Ordering::Relaxed);
        all.extend(tasks.join_all().await.into_iter().flatten());

        let started = Instant::now();
        assert!(store.load(handle(0)).await.is_err(), "the server is gone");
        assert!(started.elapsed() < LIMIT * 2, "the error comes in time");
        server.restart();
        until_async("the store recovers", async || store.load(handle(0)).await.is_ok()).await;
        check(&store, &all).await;
    }
    assert!(all.iter().filter(|(_, known)| known.ended).count() > 100, "some were acknowledged");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Redis"]
async fn connections_that_are_cut_under_load_fail_no_call_and_lose_no_write() {
    let server = Redis::start_with(&[]);
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let progress = Arc::<Progress>::default();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        tasks.spawn(work(store.clone(), task, Arc::clone(&progress)));
    }
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let _: i64 = server.ask(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
    }
    progress.stop.store(true, Ordering::Relaxed);
    let all: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    check(&store, &all).await;
    assert!(all.len() as u64 > TASKS);
    for (number, known) in all {
        assert!(known.failure.is_none(), "{number}: {known:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Redis"]
async fn a_frozen_server_delays_no_call_beyond_the_time_limit() {
    let server = Redis::start_with(&[]);
    let store = RedisStore::connect(&server.url()).await.unwrap();
    for number in 0..TASKS {
        store.create(&row(number)).await.unwrap();
    }
    server.freeze();
    let (started, failures) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let mut tasks = JoinSet::new();
    for number in 0..TASKS {
        let (store, failures) = (store.clone(), Arc::clone(&failures));
        tasks.spawn(async move {
            while started.elapsed() < Duration::from_secs(5) {
                let asked = Instant::now();
                if store.compare_and_swap(&row(number), row(number).version + 1).await.is_err() {
                    failures.fetch_add(1, Ordering::Relaxed);
                }
                assert!(asked.elapsed() < LIMIT + Duration::from_millis(500), "{:?}", asked.elapsed());
            }
        });
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    server.thaw();
    let thawed = Instant::now();
    until_async("the store recovers", async || store.load(handle(0)).await.is_ok()).await;
    assert!(thawed.elapsed() < Duration::from_secs(2), "{:?}", thawed.elapsed());
    tasks.join_all().await;
    assert!(failures.load(Ordering::Relaxed) > 0);
    for number in 0..TASKS {
        let row = store.load(handle(number)).await.unwrap().unwrap();
        assert!(
            row.version <= 1 && row.ended.is_none(),
            "a swap that was sent many times was executed once at most"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Redis"]
async fn futures_that_are_dropped_leave_rows_whole() {
    let server = Redis::start_with(&[]);
    let store = RedisStore::connect(&server.url()).await.unwrap();
    store.create(&row(1)).await.unwrap();
    for round in 0..500 {
        let current = store.load(handle(1)).await.unwrap().unwrap();
        let next = with(current, |row| row.generation += 1);
        let swap = store.compare_and_swap(&next, next.version + 1);
        let _ = tokio::time::timeout(Duration::from_micros(round), swap).await;
    }
    until_async("the requests that were sent are executed", async || {
        let row = store.load(handle(1)).await.unwrap().unwrap();
        u64::from(row.generation) == row.version
    })
    .await;
}
