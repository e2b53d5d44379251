//! Concurrent calls are batched, with the same results as if they had run one after the other.

use std::{
    fs,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::{sync::Barrier, task::JoinSet, time::timeout};
use tower_refresh_core::{EndReason, SessionRow, SessionStore, Timestamp};
use tower_refresh_postgres::PostgresOptions;

use crate::support::{NOW, block_on, handle, open, rotated, row, server, unique};

const TASKS: u64 = 64;
const LONG: Duration = Duration::from_secs(60);

/// How many statements on the schema's tables the server has logged so far, not counting logins.
fn statements(schema: &str) -> usize {
    let log = fs::read_to_string(server().log()).expect("the log is there");
    log.lines()
        .filter(|line| line.contains("execute ") && line.contains(schema) && !line.contains("INSERT"))
        .count()
}

#[test]
#[ignore = "needs PostgreSQL"]
fn concurrent_calls_share_few_statements() {
    block_on(async {
        server().create_database("logged", "").await;
        let alter = "ALTER DATABASE logged SET log_statement = 'all'";
        server().client("postgres").await.batch_execute(alter).await.expect("alters");
        let schema = unique("logged");
        let options = PostgresOptions::new().with_schema(&schema);
        let store = options.connect(&server().url("logged")).await.expect("opens");
        for number in 0..TASKS {
            store.create(&row(number)).await.expect("creates");
        }

        let before = statements(&schema);
        let mut tasks = JoinSet::new();
        for number in 0..TASKS {
            let store = store.clone();
            tasks.spawn(async move {
                let loaded = store.load(handle(number)).await.expect("loads").expect("is there");
                assert_eq!(loaded, row(number));
                assert!(store.compare_and_swap(&rotated(&loaded), loaded.version + 1).await.expect("swaps"));
                assert_eq!(store.outdate_claims(handle(number), NOW, 6).await.expect("outdates"), Some(1));
                assert!(store.end(handle(number), EndReason::Logout, NOW, 7).await.expect("ends"));
            });
        }
        tasks.join_all().await;
        let count = statements(&schema) - before;
        assert!((4..=TASKS as usize).contains(&count), "{} calls took {count} statements", 4 * TASKS);
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn of_64_tasks_that_swap_one_row_one_wins_each_version() {
    const ROUNDS: u64 = 20;
    block_on(async {
        let store = &open(server()).await;
        store.create(&row(0)).await.expect("creates");
        let barrier = Arc::new(Barrier::new(TASKS as usize));
        let mut tasks = JoinSet::new();
        for _ in 0..TASKS {
            let (store, barrier) = (store.clone(), Arc::clone(&barrier));
            tasks.spawn(async move {
                let mut wins = Vec::new();
                for _ in 0..ROUNDS {
                    let current = store.load(handle(0)).await.expect("loads").expect("is there");
                    barrier.wait().await;
                    if store.compare_and_swap(&rotated(&current), current.version + 1).await.expect("swaps") {
                        wins.push(current.version);
                    }
                    barrier.wait().await;
                }
                wins
            });
        }
        let mut wins = tasks.join_all().await.concat();
        wins.sort_unstable();
        assert_eq!(wins, (0..ROUNDS).collect::<Vec<_>>(), "each version was won once");
        let last = store.load(handle(0)).await.expect("loads").expect("is there");
        assert_eq!((last.version, u64::from(last.generation)), (ROUNDS, ROUNDS));
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn batches_of_two_servers_on_the_same_rows_never_deadlock() {
    const ROWS: u64 = 48;
    const ROUNDS: u64 = 100;
    block_on(async {
        let (schema, url) = (unique("locks"), server().url("postgres"));
        let options = || PostgresOptions::new().with_schema(&schema);
        let durable = options().connect(&url).await.expect("opens");
        let lossy = options().with_lossy_rotations().connect(&url).await.expect("opens");
        let stores = [durable, lossy];
        for number in 0..ROWS {
            stores[0].create(&row(number)).await.expect("creates");
        }
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            let store = stores[task as usize % 2].clone();
            tasks.spawn(async move {
                let mut wins = 0;
                for round in 0..ROUNDS {
                    // Each task visits the rows in a different order.
                    let number = (task + round * (2 * task + 1)) % ROWS;
                    let current = store.load(handle(number)).await.expect("loads").expect("is there");
                    wins += u64::from(
                        store
                            .compare_and_swap(&rotated(&current), current.version + 1)
                            .await
                            .expect("no deadlock"),
                    );
                    if round % 25 == 24 {
                        store
                            .end_subject(&"bob".into(), None, EndReason::Logout, NOW, 7)
                            .await
                            .expect("ends");
                    }
                }
                wins
            });
        }
        let wins: u64 = timeout(LONG, tasks.join_all()).await.expect("nothing is stuck").iter().sum();
        let mut versions = 0;
        for number in 0..ROWS {
            versions += stores[1].load(handle(number)).await.expect("loads").expect("is there").version;
        }
        assert_eq!(versions, wins, "each version was won by one swap");
        let log = fs::read_to_string(server().log()).expect("the log is there");
        assert!(!log.contains("deadlock detected"), "the server saw no deadlock");
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn concurrent_ends_and_swaps_end_each_row_once() {
    block_on(async {
        let store = open(server()).await;
        for number in 0..TASKS {
            store.create(&row(number)).await.expect("creates");
        }
        let mut tasks = JoinSet::new();
        for task in 0..TASKS * 4 {
            let store = store.clone();
            tasks.spawn(async move {
                let number = task % TASKS;
                if task % 3 == 0 {
                    let next = rotated(&row(number));
                    return u64::from(store.compare_and_swap(&next, next.version + 1).await.expect("swaps"))
                        << 32;
                }
                u64::from(store.end(handle(number), EndReason::Logout, NOW, 7).await.expect("ends"))
            });
        }
        let wins: u64 = tasks.join_all().await.iter().sum();
        let (swaps, ends) = (wins >> 32, wins & 0xffff_ffff);
        assert_eq!(ends, TASKS, "each row ended once");
        let mut generations = 0;
        for number in 0..TASKS {
            let row: SessionRow = store.load(handle(number)).await.expect("loads").expect("is there");
            assert!(row.ended.is_some());
            assert_eq!(row.version, 7, "the end wrote last");
            generations += u64::from(row.generation);
        }
        assert_eq!(generations, swaps, "the generations count the swaps that won");
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn each_of_many_calls_on_two_servers_outdates_claims_while_sessions_are_swapped_and_ended() {
    const ROWS: u64 = 4;
    const ROUNDS: u64 = 20;
    block_on(async {
        let (schema, url) = (unique("epochs"), server().url("postgres"));
        let open = async || PostgresOptions::new().with_schema(&schema).connect(&url).await.expect("opens");
        let stores = [open().await, open().await];
        for number in 0..=ROWS {
            stores[0].create(&row(number)).await.expect("creates");
        }
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            let store = stores[task as usize % 2].clone();
            tasks.spawn(async move {
                let mut epochs = Vec::new();
                for round in 0..ROUNDS {
                    let number = (task + round * (2 * task + 1)) % ROWS;
                    let version = 2 * (task * ROUNDS + round);
                    let epoch =
                        store.outdate_claims(handle(number), NOW, version).await.expect("no deadlock");
                    epochs.push((number, epoch.expect("it has not ended")));
                    let current = store.load(handle(number)).await.expect("loads").expect("is there");
                    let swap = rotated(&current);
                    store.compare_and_swap(&swap, version + 1).await.expect("no deadlock");
                }
                store.end(handle(ROWS), EndReason::Logout, NOW, 7).await.expect("ends");
                assert_eq!(store.outdate_claims(handle(ROWS), NOW, task).await.expect("answers"), None);
                epochs
            });
        }
        let mut epochs = timeout(LONG, tasks.join_all()).await.expect("nothing is stuck").concat();
        epochs.sort_unstable();
        let mut expected = Vec::new();
        for number in 0..ROWS {
            let stored = stores[1].load(handle(number)).await.expect("loads").expect("is there");
            expected.extend((1..=stored.claims_epoch).map(|epoch| (number, epoch)));
        }
        assert_eq!(epochs.len() as u64, TASKS * ROUNDS);
        assert_eq!(epochs, expected, "each call returned an epoch of its own, and no swap has undone one");
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_number_out_of_range_fails_only_its_own_call() {
    block_on(async {
        let store = open(server()).await;
        for number in 0..2 {
            store.create(&row(number)).await.expect("creates");
        }
        let mut late = row(0);
        late.idle_expiry = Timestamp::from_millis(u64::MAX);
        let good = rotated(&row(1));
        let (late, good) = tokio::join!(
            store.compare_and_swap(&late, late.version + 1),
            store.compare_and_swap(&good, good.version + 1)
        );
        late.expect_err("a time beyond the column's range is rejected");
        assert!(good.expect("swaps"));
        assert_eq!(store.load(handle(0)).await.expect("loads"), Some(row(0)), "nothing was written");
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_dropped_future_does_not_affect_the_results_of_others() {
    block_on(async {
        let store = open(server()).await;
        for number in 0..TASKS {
            store.create(&row(number)).await.expect("creates");
        }
        for round in 0..20 {
            let mut tasks = JoinSet::new();
            for number in 0..TASKS {
                let store = store.clone();
                tasks.spawn(async move {
                    let patience = Duration::from_micros(100 * (number % 8));
                    let loading = store.load(handle(number));
                    if (number + round) % 2 == 0 {
                        return timeout(patience, loading).await.is_err();
                    }
                    loading.await.expect("loads").is_some()
                });
            }
            timeout(LONG, tasks.join_all()).await.expect("nothing is stuck");
        }
        assert!(store.load(handle(0)).await.expect("loads").is_some());
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_future_that_is_not_polled_blocks_no_other_call() {
    block_on(async {
        let store = open(server()).await;
        for number in 0..TASKS {
            store.create(&row(number)).await.expect("creates");
        }
        let next = rotated(&row(0));
        let (mut loading, mut swapping) =
            (pin!(store.load(handle(0))), pin!(store.compare_and_swap(&next, next.version + 1)));
        // Both are sent, and then not polled any more.
        assert!(poll_once(loading.as_mut()).await && poll_once(swapping.as_mut()).await);
        let mut tasks = JoinSet::new();
        for number in 1..TASKS {
            let store = store.clone();
            tasks.spawn(async move {
                let loaded = store.load(handle(number)).await.expect("loads").expect("is there");
                assert!(store.compare_and_swap(&rotated(&loaded), loaded.version + 1).await.expect("swaps"));
            });
        }
        timeout(LONG, tasks.join_all()).await.expect("nothing is stuck");
        assert!(loading.await.expect("loads").is_some());
        assert!(swapping.await.expect("swaps"));
    });
}

/// Returns whether the future is still pending.
async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> bool {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_write_completes_even_if_its_future_is_dropped() {
    block_on(async {
        let store = open(server()).await;
        store.create(&row(0)).await.expect("creates");
        assert!(poll_once(pin!(store.end(handle(0), EndReason::Logout, NOW, 7))).await);
        let ended = async {
            while store.load(handle(0)).await.expect("loads").expect("is there").ended.is_none() {
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG, ended).await.expect("the session ends");
    });
}
