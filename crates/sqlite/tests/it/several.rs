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

/// Records the session ends and the epochs that it receives.
#[derive(Default)]
struct Recorder(Mutex<Vec<(SessionHandle, Timestamp)>>, Mutex<Vec<(SessionHandle, u32)>>);

impl FeedWatcher for Recorder {
    fn ended(&self, session: SessionHandle, at: Timestamp) {
        self.0.lock().unwrap().push((session, at));
    }

    fn outdated(&self, session: SessionHandle, epoch: u32) {
        self.1.lock().unwrap().push((session, epoch));
    }

    fn caught_up(&self) {}
}

#[tokio::test]
async fn all_session_ends_by_another_store_are_reported() {
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
        // The feed may be faster than the answer to the last call.
        let is_complete = ended.is_some() && distinct(&recorder).len() == 2_000;
        if is_complete { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    assert_eq!(ended, Some(2), "a call ends about a thousand");
    let expected: Vec<_> = (0..2_000).map(|number| (handle(number), NOW)).collect();
    assert!(distinct(&recorder) == expected, "each with its time");
}

/// Notices from while a watcher joins may be reported twice.
fn distinct(recorder: &Recorder) -> Vec<(SessionHandle, Timestamp)> {
    let mut reported = recorder.0.lock().unwrap().clone();
    reported.sort_unstable();
    reported.dedup();
    reported
}

#[tokio::test]
async fn claims_that_another_store_outdated_are_reported() {
    const SESSIONS: u64 = 1_500;
    let (_folder, path) = temporary();
    let (one, other) = (open(&path).await, open(&path).await);
    let recorder = Recorder::default();
    let mut watching = pin!(one.watch_feed(NOW, &recorder));
    let is_open = poll_fn(|context| Poll::Ready(watching.as_mut().poll(context).is_pending())).await;
    assert!(is_open, "the feed is open");
    let mut outdating = JoinSet::new();
    for number in 0..SESSIONS {
        let other = other.clone();
        outdating.spawn(async move {
            other.create(&row(number)).await.unwrap();
            other.outdate_claims(handle(number), NOW, 8).await.unwrap()
        });
    }
    assert!(outdating.join_all().await.into_iter().all(|epoch| epoch == Some(1)));
    assert!(other.end(handle(0), EndReason::Logout, NOW, 9).await.unwrap());
    assert_eq!(other.outdate_claims(handle(0), NOW, 10).await.unwrap(), None);

    let deadline = Instant::now() + Duration::from_secs(10);
    poll_fn(|context| {
        assert!(watching.as_mut().poll(context).is_pending(), "the feed is still open");
        assert!(Instant::now() < deadline, "the notices are reported");
        // The first session may have ended before its notice was read.
        let epochs = recorder.1.lock().unwrap();
        let live = epochs.iter().filter(|(session, _)| *session != handle(0)).count();
        let all = live == SESSIONS as usize - 1 && recorder.0.lock().unwrap().len() == 1;
        if all { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    let mut epochs = recorder.1.lock().unwrap().clone();
    epochs.retain(|(session, _)| *session != handle(0));
    epochs.sort_unstable();
    let expected: Vec<_> = (1..SESSIONS).map(|number| (handle(number), 1)).collect();
    assert_eq!(epochs, expected, "each once");
}

#[tokio::test]
async fn a_purge_deletes_the_notices_about_live_sessions_however_many_there_are() {
    const NOTICES: usize = 5_000;
    let (_folder, path) = temporary();
    let store = open(&path).await;
    store.create(&row(0)).await.unwrap();
    let mut outdating = JoinSet::new();
    for _ in 0..NOTICES {
        let store = store.clone();
        outdating.spawn(async move { store.outdate_claims(handle(0), NOW, 8).await.unwrap() });
    }
    let mut epochs: Vec<_> = outdating.join_all().await.into_iter().flatten().collect();
    epochs.sort_unstable();
    assert_eq!(epochs, (1..=NOTICES as u32).collect::<Vec<_>>());
    let notices = || {
        let count = "SELECT count(*) FROM ends";
        sqlite(&path).query_row(count, [], |columns| columns.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(store.purge_dead(NOW).await.unwrap(), 0);
    assert_eq!(notices(), NOTICES as i64, "those at the given time stay");
    assert_eq!(store.purge_dead(NOW.saturating_add(Duration::from_millis(1))).await.unwrap(), 0);
    assert_eq!(notices(), 0);
    assert_eq!(store.load(handle(0)).await.unwrap().unwrap().claims_epoch, NOTICES as u32);
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
