//! Servers that are killed, frozen, or close connections.

use std::time::{Duration, Instant};

use sqlx::postgres::PgPoolOptions;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tower_refresh_core::{EndReason, Ended, Page, SessionRow, SessionStore, StoreError, StoreErrorKind};
use tower_refresh_sqlx::{SqlxOptions, SqlxStore};

use crate::support::{
    LONG, NOW, block_on, handle, pool, rotated, row, server::Server, until_idle, watcher::Watcher,
};

/// How long a request waits for the store: the middleware's default.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

async fn open(server: &Server) -> SqlxStore {
    SqlxStore::open(pool(&server.url("postgres")).await).await.expect("opens")
}

/// Waits until the store answers again, for ten seconds at most.
async fn recovered(store: &SqlxStore) {
    let start = Instant::now();
    while !matches!(timeout(REQUEST_TIMEOUT, store.load(handle(0))).await, Ok(Ok(_))) {
        assert!(start.elapsed() < Duration::from_secs(10), "the store recovers");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Logs in, rotates and logs out until the store fails; returns the sessions as last acknowledged.
async fn use_sessions(store: SqlxStore, first: u64) -> Vec<SessionRow> {
    let mut acknowledged = Vec::new();
    for number in first.. {
        let mut known = row(number);
        if store.create(&known).await.is_err() {
            break;
        }
        acknowledged.push(known.clone());
        let last = acknowledged.len() - 1;
        for _ in 0..number % 5 {
            match store.compare_and_swap(&rotated(&known), known.version + 1).await {
                Ok(swapped) => assert!(swapped, "no other task swaps this session"),
                Err(_) => return acknowledged,
            }
            known = rotated(&known);
            known.version += 1;
            acknowledged[last] = known.clone();
        }
        if number % 2 == 0 {
            match store.end(known.handle, EndReason::Logout, NOW, 7).await {
                Ok(ended) => assert!(ended, "no other task ends this session"),
                Err(_) => return acknowledged,
            }
            known.ended = Some(Ended::new(EndReason::Logout, NOW));
            known.version = 7;
            acknowledged[last] = known;
        }
    }
    acknowledged
}

#[test]
#[ignore = "needs PostgreSQL"]
fn every_acknowledged_write_survives_a_killed_server() {
    const TASKS: u64 = 16;
    block_on(async {
        let mut server = Server::start(&[]);
        let store = open(&server).await;
        for round in 0..3 {
            let mut tasks = JoinSet::new();
            for task in 0..TASKS {
                tasks.spawn(use_sessions(store.clone(), (round * TASKS + task) * 1_000_000));
            }
            sleep(Duration::from_millis(300 + 70 * round)).await;
            server.kill();
            let acknowledged = timeout(LONG, tasks.join_all()).await.expect("all fail").concat();
            assert!(acknowledged.len() > 10, "there was something to lose");

            server.restart();
            recovered(&store).await;
            for known in acknowledged {
                let stored = store.load(known.handle).await.expect("loads").expect("the session is there");
                // The last write, which was not acknowledged, may have been executed.
                assert!(
                    [known.version, known.version + 1, 7].contains(&stored.version),
                    "{known:?} is {stored:?}"
                );
                assert!(known.ended.is_none() || stored == known, "an ended session stays ended: {stored:?}");
            }
        }
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn an_end_is_durable_even_if_the_database_default_is_not() {
    block_on(async {
        // Nothing is written in the background, so a write that does not wait for the disk is lost.
        let mut server =
            Server::start(&["synchronous_commit=off", "wal_writer_delay=10s", "bgwriter_delay=10s"]);
        let store = open(&server).await;
        for number in 0..4 {
            store.create(&row(number)).await.expect("creates");
        }
        server.client("postgres").await.batch_execute("CHECKPOINT").await.expect("checkpoints");
        assert!(store.end(handle(0), EndReason::Logout, NOW, 7).await.expect("ends"));
        server.kill();
        server.restart();
        recovered(&store).await;
        let others = store.end_subject(&"alice".into(), Some(handle(1)), EndReason::Logout, NOW, 7).await;
        assert_eq!(others.expect("ends").len(), 2, "the first end survived");
        server.kill();
        server.restart();
        recovered(&store).await;
        let left = store.list(&"alice".into(), NOW, Page::first(10)).await.expect("lists");
        assert_eq!(left.iter().map(|row| row.handle).collect::<Vec<_>>(), [handle(1)]);
        assert_eq!(store.outdate_claims(handle(1), NOW, 8).await.expect("outdates"), Some(1));
        server.kill();
        server.restart();
        recovered(&store).await;
        assert_eq!(store.load(handle(1)).await.expect("loads").expect("is there").claims_epoch, 1);
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_frozen_server_delays_each_caller_by_its_own_timeout_only_and_keeps_no_connection_of_the_pool() {
    const FROZEN: Duration = Duration::from_secs(20);
    block_on(async {
        let server = Server::start(&["fsync=off"]);
        let pool = pool(&server.url("postgres")).await;
        let store = SqlxStore::open(pool.clone()).await.expect("opens");
        for number in 0..64 {
            store.create(&row(number)).await.expect("creates");
        }
        let watcher = Watcher::start(&store, NOW).await;
        server.freeze();
        let frozen = Instant::now();
        let mut tasks = JoinSet::new();
        for number in 0..64 {
            let store = store.clone();
            tasks.spawn(async move {
                let mut longest = Duration::ZERO;
                while frozen.elapsed() < FROZEN - REQUEST_TIMEOUT {
                    let start = Instant::now();
                    let answered = timeout(REQUEST_TIMEOUT, call(&store, number)).await;
                    assert!(!matches!(answered, Ok(Ok(()))), "a frozen server answers nothing");
                    longest = longest.max(start.elapsed());
                }
                longest
            });
        }
        let longest = tasks.join_all().await.into_iter().max().expect("there are tasks");
        assert!(longest < REQUEST_TIMEOUT + Duration::from_millis(500), "a caller waited {longest:?}");
        assert_eq!(watcher.lost().await, StoreErrorKind::TimedOut, "the feed reports that it is lost");

        // No call is in progress, and the server still answers nothing: the places of the pool are free all the same.
        until_idle(&pool).await;
        sleep(FROZEN.saturating_sub(frozen.elapsed())).await;
        server.thaw();
        recovered(&store).await;
        for number in 0..64 {
            let stored = store.load(handle(number)).await.expect("loads").expect("the session is there");
            // Calls that timed out may have been executed, or may be executed yet.
            let _ = store.compare_and_swap(&rotated(&stored), stored.version + 1).await.expect("swaps");
        }
        Watcher::start(&store, NOW).await;
    });
}

async fn call(store: &SqlxStore, number: u64) -> Result<(), StoreError> {
    match number % 5 {
        0 => store.load(handle(number)).await.map(drop),
        1 => store.compare_and_swap(&rotated(&row(number)), 1).await.map(drop),
        2 => store.end(handle(number), EndReason::Logout, NOW, 7).await.map(drop),
        3 => store.list(&"alice".into(), NOW, Page::first(10_000)).await.map(drop),
        _ => store.create(&row(1000 + number)).await,
    }
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_store_has_a_time_limit_of_its_own_whether_the_pool_probes_connections_or_not() {
    block_on(async {
        let server = Server::start(&["fsync=off"]);
        for probes in [true, false] {
            let pool = PgPoolOptions::new().test_before_acquire(probes);
            let pool = pool.connect(&server.url("postgres")).await.expect("connects");
            let options = SqlxOptions::new().with_timeout(Duration::from_secs(1));
            let store = options.open(pool.clone()).await.expect("opens");
            store.create(&row(u64::from(probes))).await.expect("creates");
            server.freeze();
            for number in 0..5 {
                let start = Instant::now();
                let error = call(&store, number).await.expect_err("a frozen server answers nothing");
                assert_eq!(error.kind(), StoreErrorKind::TimedOut);
                assert!(start.elapsed() < Duration::from_secs(2));
            }
            server.thaw();
            recovered(&store).await;
            until_idle(&pool).await;
        }
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn connections_that_the_server_closed_are_not_reused() {
    block_on(async {
        let server = Server::start(&["fsync=off"]);
        let pool = pool(&server.url("postgres")).await;
        let store = SqlxStore::open(pool.clone()).await.expect("opens");
        store.create(&row(0)).await.expect("creates");
        let client = server.client("postgres").await;
        for _ in 0..5 {
            until_idle(&pool).await;
            let terminate = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
                 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
            client.query(terminate, &[]).await.expect("terminates");
            assert!(store.load(handle(0)).await.expect("the first try succeeds").is_some());
        }
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_connection_to_a_server_that_is_no_longer_the_primary_is_not_reused() {
    block_on(async {
        let server = Server::start(&["fsync=off"]);
        let options = PgPoolOptions::new().max_connections(1);
        let pool = options.connect(&server.url("postgres")).await.expect("connects");
        let store = SqlxStore::open(pool.clone()).await.expect("opens");
        until_idle(&pool).await;
        // As the connections of a former primary, until they are closed.
        sqlx::raw_sql("SET default_transaction_read_only = on").execute(&pool).await.expect("sets");
        let error = store.create(&row(0)).await.expect_err("cannot write");
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        store.create(&row(0)).await.expect("the next call has another connection");
    });
}
