//! Several stores on one file, as in several processes, and many tasks.

use std::{
    collections::BTreeSet,
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;
use tower_refresh_core::{EndReason, FeedWatcher, Page, SessionHandle, SessionStore, StoreError, Timestamp};

use crate::support::{DAY, NOW, handle, open, row, sqlite, temporary};

#[tokio::test(flavor = "multi_thread")]
async fn of_sixty_four_tasks_that_swap_one_row_one_wins_each_version() {
    const TASKS: usize = 64;
    const WINS: usize = 5;
    let (_folder, path) = temporary();
    let stores = [open(&path).await, open(&path).await];
    stores[0].create(&row(0)).await.unwrap();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let store = stores[task % stores.len()].clone();
        tasks.spawn(async move {
            let mut won = Vec::new();
            while won.len() < WINS {
                let mut row = store.load(handle(0)).await.unwrap().unwrap();
                row.generation += 1;
                if store.compare_and_swap(&row, row.version + 1).await.unwrap() {
                    won.push(row.version);
                }
            }
            won
        });
    }
    let won = tasks.join_all().await.concat();
    assert_eq!(won.len(), TASKS * WINS);
    assert_eq!(won.into_iter().collect::<BTreeSet<_>>(), (0..(TASKS * WINS) as u64).collect(), "each once");
    let row = stores[1].load(handle(0)).await.unwrap().unwrap();
    assert_eq!((row.version, row.generation), ((TASKS * WINS) as u64, (TASKS * WINS) as u32));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stores_that_write_without_pause_do_not_starve_each_other() {
    let (_folder, path) = temporary();
    let stores = [open(&path).await, open(&path).await];
    let mut tasks = JoinSet::new();
    for task in 0..16 {
        let store = stores[task as usize % stores.len()].clone();
        tasks.spawn(async move {
            for number in 0..100 {
                store.create(&row(task * 1000 + number)).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    for store in &stores {
        assert_eq!(store.list(&"alice".into(), NOW, Page::first(10_000)).await.unwrap().len(), 1600);
    }
}

#[tokio::test]
async fn a_write_that_one_store_acknowledged_is_visible_in_the_other() {
    let (_folder, path) = temporary();
    let (one, other) = (open(&path).await, open(&path).await);
    for number in 0..50 {
        one.create(&row(number)).await.unwrap();
        assert_eq!(other.load(handle(number)).await.unwrap(), Some(row(number)));
        assert!(other.end(handle(number), EndReason::Logout, NOW, 7).await.unwrap());
        assert!(!one.compare_and_swap(&row(number), row(number).version + 1).await.unwrap());
    }
}

/// Records the session ends that it receives.
#[derive(Default)]
struct Recorder(Mutex<Vec<(SessionHandle, Timestamp)>>);

impl FeedWatcher for Recorder {
    fn ended(&self, session: SessionHandle, at: Timestamp) {
        self.0.lock().unwrap().push((session, at));
    }

    fn outdated(&self, _session: SessionHandle, _epoch: u32) {}

    fn caught_up(&self) {}
}

#[tokio::test]
async fn session_ends_by_another_store_are_reported_once() {
    let (_folder, path) = temporary();
    let (one, other) = (open(&path).await, open(&path).await);
    for number in 0..2_000 {
        one.create(&row(number)).await.unwrap();
    }
    let recorder = Recorder::default();
    let mut watching = pin!(one.watch_feed(NOW, &recorder));
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut ended = None;
    let alice = "alice".into();
    let mut ending = pin!(async {
        let mut calls = 0;
        while !other.end_subject(&alice, None, EndReason::Revoked, NOW, 7).await?.is_empty() {
            calls += 1;
        }
        Ok::<_, StoreError>(calls)
    });
    poll_fn(|context| {
        assert!(watching.as_mut().poll(context).is_pending(), "the feed is still open");
        if ended.is_none()
            && let Poll::Ready(calls) = ending.as_mut().poll(context)
        {
            ended = Some(calls.unwrap());
        }
        assert!(Instant::now() < deadline, "the session ends are reported");
        if recorder.0.lock().unwrap().len() < 2_000 { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    let mut reported = recorder.0.lock().unwrap().clone();
    reported.sort_unstable();
    assert_eq!(ended, Some(2), "a call ends about a thousand");
    let expected: Vec<_> = (0..2_000).map(|number| (handle(number), NOW)).collect();
    assert_eq!(reported, expected, "each once, with its time");
}

#[tokio::test]
async fn ending_a_subject_completes_if_its_future_is_dropped() {
    let (_folder, path) = temporary();
    let store = open(&path).await;
    for number in 0..1_000 {
        store.create(&row(number)).await.unwrap();
    }
    let alice = "alice".into();
    {
        let mut ending = pin!(store.end_subject(&alice, None, EndReason::Revoked, NOW, 7));
        poll_fn(|context| Poll::Ready(ending.as_mut().poll(context).is_pending())).await;
    }
    drop(store);
    assert_eq!(open(&path).await.list(&alice, NOW, Page::first(10_000)).await.unwrap(), []);
}

#[tokio::test]
async fn a_purge_examines_refreshed_sessions_and_deletes_their_feed_entries() {
    let (_folder, path) = temporary();
    let store = Arc::new(open(&path).await);
    // Enough refreshed sessions that a purge has to examine more than it does in one transaction.
    for number in 0..600 {
        store.create(&row(number)).await.unwrap();
        let mut next = row(number);
        next.idle_expiry = NOW.saturating_add(DAY * 14);
        assert!(store.compare_and_swap(&next, next.version + 1).await.unwrap());
    }
    let mut last = row(600);
    last.idle_expiry = NOW.saturating_add(DAY * 8);
    store.create(&last).await.unwrap();
    assert!(store.end(handle(0), EndReason::Logout, NOW, 7).await.unwrap());

    let purge = |days| store.purge_dead(NOW.saturating_add(DAY * days));
    assert_eq!(purge(1).await.unwrap(), 1, "the session that ended");
    assert_eq!(purge(9).await.unwrap(), 1, "the session after those that were refreshed");
    assert_eq!(purge(9).await.unwrap(), 0);
    assert_eq!(store.list(&"alice".into(), NOW, Page::first(10_000)).await.unwrap().len(), 599);
    let ends: i64 = sqlite(&path).query_row("SELECT count(*) FROM ends", [], |row| row.get(0)).unwrap();
    assert_eq!(ends, 0);
}
