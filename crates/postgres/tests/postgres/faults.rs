//! The server dies, stops, comes back.

use std::time::{Duration, Instant};

use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tower_refresh_core::{EndReason, Ended, SessionRow, SessionStore, StoreError, StoreErrorKind, Subject};
use tower_refresh_postgres::PostgresStore;

use crate::support::{NOW, block_on, handle, rotated, row, server::Server, watcher::Watcher};

/// How long a request waits for the store, as the middleware has it by default.
const PATIENCE: Duration = Duration::from_secs(2);

async fn open(server: &Server) -> PostgresStore {
    PostgresStore::connect(&server.url("postgres")).await.expect("opens")
}

/// Until the store answers again, which it does by itself.
async fn recovered(store: &PostgresStore) -> Duration {
    let start = Instant::now();
    while !matches!(timeout(PATIENCE, store.load(handle(0))).await, Ok(Ok(_))) {
        assert!(start.elapsed() < Duration::from_secs(10), "the store recovers");
        sleep(Duration::from_millis(20)).await;
    }
    start.elapsed()
}

/// Logs in, rotates and logs out until the store fails; returns the sessions as they were acknowledged last.
async fn live(store: PostgresStore, first: u64) -> Vec<SessionRow> {
    let mut acknowledged = Vec::new();
    for number in first.. {
        let mut known = row(number);
        if store.create(&known).await.is_err() {
            break;
        }
        acknowledged.push(known.clone());
        let last = acknowledged.len() - 1;
        for _ in 0..number % 5 {
            match store.compare_and_swap(&rotated(&known)).await {
                Ok(swapped) => assert!(swapped, "nobody else swaps"),
                Err(_) => return acknowledged,
            }
            known = rotated(&known);
            known.version += 1;
            acknowledged[last] = known.clone();
        }
        if number % 2 == 0 {
            match store.end(known.handle, EndReason::Logout, NOW).await {
                Ok(ended) => assert!(ended, "nobody else ends"),
                Err(_) => return acknowledged,
            }
            known.ended = Some(Ended::new(EndReason::Logout, NOW));
            known.version += 1;
            acknowledged[last] = known;
        }
    }
    acknowledged
}

#[test]
#[ignore = "needs PostgreSQL"]
fn every_acknowledged_write_outlives_a_killed_server() {
    const TASKS: u64 = 16;
    block_on(async {
        let mut server = Server::start(&[]);
        let store = open(&server).await;
        for round in 0..3 {
            let mut tasks = JoinSet::new();
            for task in 0..TASKS {
                tasks.spawn(live(store.clone(), (round * TASKS + task) * 1_000_000));
            }
            sleep(Duration::from_millis(300 + 70 * round)).await;
            server.signal("KILL");
            let acknowledged =
                timeout(Duration::from_secs(20), tasks.join_all()).await.expect("all fail").concat();
            assert!(acknowledged.len() > 10, "there was something to lose");
            let error = store.load(handle(0)).await.expect_err("there is no server");
            assert_eq!(error.kind(), StoreErrorKind::Unavailable);

            server.restart();
            recovered(&store).await;
            for known in acknowledged {
                let stored = store.load(known.handle).await.expect("loads").expect("the session is there");
                // The write that was not acknowledged any more may have been done.
                assert!(
                    [known.version, known.version + 1].contains(&stored.version),
                    "{known:?} is {stored:?}"
                );
                assert!(known.ended.is_none() || stored == known, "what ended is ended: {stored:?}");
            }
        }
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn an_end_is_durable_where_the_database_is_not_by_default() {
    block_on(async {
        // Nothing is written behind the test's back, so what is not waited for is lost.
        let mut server =
            Server::start(&["synchronous_commit=off", "wal_writer_delay=10s", "bgwriter_delay=10s"]);
        let store = open(&server).await;
        for number in 0..20 {
            store.create(&row(number)).await.expect("creates");
        }
        server.client("postgres").await.batch_execute("CHECKPOINT").await.expect("checkpoints");

        let mut tasks = JoinSet::new();
        for number in 0..10 {
            let store = store.clone();
            tasks.spawn(async move { store.end(handle(number), EndReason::Logout, NOW).await });
        }
        for ended in tasks.join_all().await {
            assert!(ended.expect("ends"));
        }
        server.signal("KILL");
        server.restart();
        recovered(&store).await;
        for number in 0..10 {
            let stored = store.load(handle(number)).await.expect("loads").expect("the session is there");
            assert!(stored.ended.is_some(), "an end of a group outlives the server");
        }

        let others = store.end_subject(&"alice".into(), Some(handle(10)), EndReason::Logout, NOW).await;
        assert_eq!(others.expect("ends").len(), 9);
        server.signal("KILL");
        server.restart();
        recovered(&store).await;
        let left = store.list(&"alice".into(), NOW).await.expect("lists");
        assert_eq!(left.iter().map(|row| row.handle).collect::<Vec<_>>(), [handle(10)]);

        assert!(store.end(handle(10), EndReason::Logout, NOW).await.expect("ends"));
        server.signal("KILL");
        server.restart();
        recovered(&store).await;
        assert_eq!(store.list(&"alice".into(), NOW).await.expect("lists"), []);
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_stopped_server_costs_each_caller_its_own_patience_and_no_more() {
    const STOPPED: Duration = Duration::from_secs(20);
    block_on(async {
        let server = Server::start(&["fsync=off"]);
        let store = open(&server).await;
        for number in 0..64 {
            store.create(&row(number)).await.expect("creates");
        }
        let watcher = Watcher::follow(&store, NOW).await;
        server.signal("STOP");
        let stopped = Instant::now();
        let mut tasks = JoinSet::new();
        for number in 0..64 {
            let store = store.clone();
            tasks.spawn(async move {
                let mut longest = Duration::ZERO;
                while stopped.elapsed() < STOPPED - PATIENCE {
                    let start = Instant::now();
                    let answered = timeout(PATIENCE, ask(&store, number)).await;
                    assert!(!matches!(answered, Ok(Ok(()))), "a stopped server answers nothing");
                    longest = longest.max(start.elapsed());
                }
                longest
            });
        }
        let longest = tasks.join_all().await.into_iter().max().expect("there are tasks");
        assert!(longest < PATIENCE + Duration::from_millis(500), "a caller waited {longest:?}");
        assert_eq!(watcher.lost().await, StoreErrorKind::TimedOut, "the feed says that it is lost");

        sleep(STOPPED.saturating_sub(stopped.elapsed())).await;
        server.signal("CONT");
        let took = recovered(&store).await;
        assert!(took < Duration::from_secs(5), "the store recovered after {took:?}");
        for number in 0..64 {
            let stored = store.load(handle(number)).await.expect("loads").expect("the session is there");
            // What timed out may have been done, or may be done yet.
            let _ = store.compare_and_swap(&rotated(&stored)).await.expect("swaps");
        }
        Watcher::follow(&store, NOW).await;
    });
}

async fn ask(store: &PostgresStore, number: u64) -> Result<(), StoreError> {
    match number % 5 {
        0 => store.load(handle(number)).await.map(drop),
        1 => store.compare_and_swap(&rotated(&row(number))).await.map(drop),
        2 => store.end(handle(number), EndReason::Logout, NOW).await.map(drop),
        3 => store.list(&Subject::new("alice"), NOW).await.map(drop),
        _ => store.create(&row(1000 + number)).await,
    }
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_store_has_a_time_limit_of_its_own() {
    block_on(async {
        let server = Server::start(&["fsync=off"]);
        let builder = PostgresStore::builder().time_limit(Duration::from_secs(1));
        let store = builder.connect(&server.url("postgres")).await.expect("opens");
        store.create(&row(0)).await.expect("creates");
        server.signal("STOP");
        for number in 0..5 {
            let start = Instant::now();
            let error = ask(&store, number).await.expect_err("a stopped server answers nothing");
            assert_eq!(error.kind(), StoreErrorKind::TimedOut);
            assert!(start.elapsed() < Duration::from_secs(2));
        }
        server.signal("CONT");
        recovered(&store).await;
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn connections_that_the_server_closed_are_not_used_again() {
    block_on(async {
        let server = Server::start(&["fsync=off"]);
        let store = open(&server).await;
        store.create(&row(0)).await.expect("creates");
        let client = server.client("postgres").await;
        for _ in 0..5 {
            let terminate = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
                 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
            client.query(terminate, &[]).await.expect("terminates");
            sleep(Duration::from_millis(50)).await;
            assert!(store.load(handle(0)).await.expect("the first try succeeds").is_some());
        }
    });
}
