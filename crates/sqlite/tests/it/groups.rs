//! Writes that wait at the same time are committed together.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::task::{JoinSet, yield_now};
use tower_refresh_core::{EndReason, Page, SessionRow, SessionStore, StoreError, StoreErrorKind};
use tower_refresh_sqlite::{SqliteOptions, SqliteStore};

use crate::support::{NOW, handle, open, row, sqlite, temporary};

/// Prevents all other writes until it is dropped.
fn lock(connection: &mut Connection) -> rusqlite::Transaction<'_> {
    connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap()
}

/// The numbers of writes and commits, as counted by the store.
fn counts(store: &SqliteStore) -> (u64, u64) {
    let debug = format!("{store:?}");
    let count = |name: &str| {
        let (_, rest) = debug.split_once(name).unwrap();
        rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
    };
    (count("writes: "), count("commits: "))
}

#[tokio::test]
async fn writes_that_wait_share_a_commit() {
    let (_folder, path) = temporary();
    let store = open(&path).await;
    let mut connection = sqlite(&path);
    let locked = lock(&mut connection);
    let mut creates = JoinSet::new();
    for number in 0..64 {
        let store = store.clone();
        creates.spawn(async move { store.create(&row(number)).await });
    }
    // The runtime has a single thread, so every task waits for its write before this one continues.
    yield_now().await;
    drop(locked);
    creates.join_all().await.into_iter().for_each(Result::unwrap);

    let (writes, commits) = counts(&store);
    assert_eq!(writes, 64);
    assert!(commits <= 2, "the first one alone at most, and the others together: {commits} commits");
}

#[tokio::test]
async fn a_single_write_is_committed_immediately() {
    let (_folder, path) = temporary();
    let store = open(&path).await;
    for number in 0..10 {
        store.create(&row(number)).await.unwrap();
    }
    assert_eq!(counts(&store), (10, 10));
}

#[tokio::test]
async fn a_failed_write_does_not_affect_the_others_of_its_group() {
    let (_folder, path) = temporary();
    let store = open(&path).await;
    store.create(&row(0)).await.unwrap();
    let before = counts(&store).1;

    let mut connection = sqlite(&path);
    let locked = lock(&mut connection);
    let first = tokio::spawn(create(&store, row(1)));
    yield_now().await;
    let taken = tokio::spawn(create(&store, row(0)));
    let mut beyond = row(2);
    beyond.version = u64::MAX;
    let unstorable = tokio::spawn(create(&store, beyond));
    let late = tokio::spawn(create(&store, row(3)));
    let ends = tokio::spawn({
        let store = store.clone();
        async move { store.end(handle(0), EndReason::Logout, NOW, 7).await }
    });
    yield_now().await;
    drop(locked);

    first.await.unwrap().unwrap();
    assert_eq!(taken.await.unwrap().unwrap_err().kind(), StoreErrorKind::AlreadyExists);
    assert_eq!(unstorable.await.unwrap().unwrap_err().kind(), StoreErrorKind::Unavailable);
    late.await.unwrap().unwrap();
    assert!(ends.await.unwrap().unwrap());
    assert!(counts(&store).1 - before <= 2, "they were in one group, or in two");
    for (number, there) in [(0, true), (1, true), (2, false), (3, true)] {
        assert_eq!(store.load(handle(number)).await.unwrap().is_some(), there, "session {number}");
    }
}

#[tokio::test]
async fn a_file_that_stays_locked_fails_all_waiting_writes_and_none_after() {
    const TIMEOUT: Duration = Duration::from_millis(20);
    let (_folder, path) = temporary();
    let store = SqliteOptions::new().with_lock_timeout(TIMEOUT).open(&path).await.unwrap();
    let mut connection = sqlite(&path);
    let locked = lock(&mut connection);
    let started = Instant::now();
    let creates = [1, 2, 3].map(|number| tokio::spawn(create(&store, row(number))));
    for create in creates {
        let error = create.await.unwrap().unwrap_err();
        assert!(started.elapsed() >= TIMEOUT, "it waited");
        assert_eq!(error.kind(), StoreErrorKind::TimedOut);
        assert!(error.source().is_some());
    }
    assert_eq!(store.load(handle(1)).await.unwrap(), None, "reads still work");
    drop(locked);
    for number in [1, 2, 3] {
        store.create(&row(number)).await.unwrap();
    }
}

#[tokio::test]
async fn a_lock_timeout_beyond_the_clock_waits_until_the_lock_is_free() {
    let (_folder, path) = temporary();
    let store = SqliteOptions::new().with_lock_timeout(Duration::MAX).open(&path).await.unwrap();
    let mut connection = sqlite(&path);
    let locked = lock(&mut connection);
    let write = tokio::spawn(create(&store, row(1)));
    // The runtime has a single thread, so the write is waiting before this one continues.
    yield_now().await;
    drop(locked);
    write.await.unwrap().unwrap();
}

fn create(
    store: &SqliteStore,
    row: SessionRow,
) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
    let store = store.clone();
    async move { store.create(&row).await }
}

#[tokio::test]
async fn what_a_call_of_end_subject_has_ended_is_returned_although_a_later_step_fails() {
    const SESSIONS: u64 = 400;
    for (failure, reason) in [
        ("ABORT", "the statement fails, and the other writes of its group are committed"),
        ("ROLLBACK", "as after a full disk, the whole group fails"),
    ] {
        let (_folder, path) = temporary();
        let store = open(&path).await;
        for number in 0..SESSIONS {
            store.create(&row(number)).await.unwrap();
        }
        let fail = format!(
            "CREATE TRIGGER failure BEFORE UPDATE OF ended_at ON sessions WHEN NEW.handle = x'{:032x}'
             BEGIN SELECT RAISE({failure}, 'failure'); END",
            SESSIONS / 2
        );
        sqlite(&path).execute_batch(&fail).unwrap();
        let alice = "alice".into();
        let end = || store.end_subject(&alice, None, EndReason::Revoked, NOW, 7);

        // The steps become smaller on a slow disk, so a later call may still end some before it fails.
        let mut ended = Vec::new();
        let error = loop {
            match end().await {
                Ok(some) => ended.extend(some),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{reason}");
        assert!(!ended.is_empty(), "{reason}");
        let left = store.list(&alice, NOW, Page::first(1_000)).await.unwrap();
        assert_eq!(left.len() + ended.len(), SESSIONS as usize, "{reason}: those that ended, and no others");
        assert!(left.iter().all(|row| !ended.contains(&row.handle)), "{reason}");

        sqlite(&path).execute_batch("DROP TRIGGER failure").unwrap();
        assert_eq!(end().await.unwrap().len(), left.len(), "{reason}: after the failure");
    }
}

#[tokio::test]
#[ignore = "takes a minute"]
async fn a_subject_with_200_000_sessions_is_listed_in_pages_and_ended_in_batches() {
    const SESSIONS: usize = 200_000;
    let (_folder, path) = temporary();
    let store = open(&path).await;
    sqlite(&path)
        .execute_batch(&format!(
            "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {SESSIONS})
             INSERT INTO sessions (handle, subject, generation, rotated_at, confirmed, late_budget, created_at,
                 idle_expiry, absolute_expiry, version, user_agent, data, purge_at)
             SELECT unhex(printf('%032x', n)), 'robot', 0, {now}, 0, 0, {now} + n, {expiry}, {expiry}, 0,
                 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', x'', {expiry} FROM numbers",
            now = NOW.as_millis(),
            expiry = row(0).idle_expiry.as_millis()
        ))
        .unwrap();
    let robot = "robot".into();

    let (start, mut longest, mut listed) = (Instant::now(), Duration::ZERO, 0);
    let mut page = Page::first(101);
    loop {
        let begun = Instant::now();
        let rows = store.list(&robot, NOW, page).await.unwrap();
        longest = longest.max(begun.elapsed());
        listed += rows.len();
        match rows.last() {
            Some(last) if rows.len() == page.limit => page = Page::after(last, page.limit),
            _ => break,
        }
    }
    println!("list of {listed}: {:?}, the longest call {longest:?}", start.elapsed());
    assert_eq!(listed, SESSIONS);

    let newest = handle(SESSIONS as u64);
    let (start, mut longest, mut ended) = (Instant::now(), Duration::ZERO, 0);
    loop {
        let begun = Instant::now();
        let some = store.end_subject(&robot, Some(newest), EndReason::Revoked, NOW, 5).await.unwrap();
        longest = longest.max(begun.elapsed());
        assert!(some.len() <= 2_000, "{} in one call", some.len());
        ended += some.len();
        if some.is_empty() {
            break;
        }
    }
    println!("end_subject of {ended}: {:?}, the longest call {longest:?}", start.elapsed());
    assert_eq!(ended, SESSIONS - 1);
    let left = store.list(&robot, NOW, Page::first(10)).await.unwrap();
    assert_eq!(left.iter().map(|row| row.handle).collect::<Vec<_>>(), [newest]);
}
