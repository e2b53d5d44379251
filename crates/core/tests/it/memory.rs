//! The memory store satisfies every law, alone and in a store that all laws share, and it stays small.

use std::{
    collections::BTreeMap,
    iter,
    pin::pin,
    sync::{Arc, Barrier, LazyLock, Mutex},
    task::{Context, Waker},
    thread,
};

use futures_executor::block_on;
use tower_refresh_core::{
    EndReason, Ended, FeedWatcher, MemoryStore, Page, SessionHandle, SessionRow, SessionStore, Subject,
    Timestamp, conformance_tests,
};

use crate::support::{DAY, HOUR, MS, ROTATED};

conformance_tests! {
    store: async { MemoryStore::new() },
    block_on: futures_executor::block_on,
}

mod in_a_shared_store {
    use super::*;

    static SHARED: LazyLock<MemoryStore> = LazyLock::new(MemoryStore::new);

    conformance_tests! {
        store: async { SHARED.clone() },
        block_on: futures_executor::block_on,
    }
}

/// A session of one hour.
fn session(number: u64, subject: &str, login: Timestamp) -> SessionRow {
    let handle = SessionHandle::from_bytes(u128::from(number).to_le_bytes());
    let expiry = login.saturating_add(HOUR);
    SessionRow::new(handle, subject.into(), login, expiry, expiry)
}

fn create(store: &MemoryStore, row: &SessionRow) {
    block_on(store.create(row)).expect("the handle is free");
}

#[test]
fn a_clone_is_the_same_store() {
    let store = MemoryStore::new();
    assert!(store.is_empty());
    create(&store.clone(), &session(0, "alice", ROTATED));
    assert_eq!(store.len(), 1);
    assert!(!store.is_empty());
}

#[test]
fn debug_shows_the_number_of_sessions_and_none_of_them() {
    let store = MemoryStore::default();
    create(&store, &session(0, "alice", ROTATED));
    assert_eq!(format!("{store:?}"), "MemoryStore { sessions: 1 }");
}

#[test]
fn a_purge_removes_and_counts_at_most_1024_rows_a_call() {
    const ROWS: u64 = 10_000;
    let store = MemoryStore::new();
    (0..ROWS).for_each(|number| create(&store, &session(number, "alice", ROTATED)));
    let mut purged = 0;
    for calls in 0.. {
        let now = block_on(store.purge_dead(ROTATED.saturating_add(HOUR + MS))).unwrap();
        assert!(now <= 1024, "{now} rows in a call");
        purged += now;
        assert_eq!(store.len() as u64, ROWS - purged, "the rows that were counted are removed");
        if now == 0 {
            assert!(calls <= 20, "{calls} calls for {ROWS} rows");
            break;
        }
    }
    assert!(store.is_empty());
}

#[test]
fn of_sessions_whose_times_change_a_purge_removes_exactly_the_dead_ones() {
    const SESSIONS: u64 = 5_000;
    let store = MemoryStore::new();
    let mut random = 1_u64;
    let mut below = |limit: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % limit
    };
    let mut rows: BTreeMap<u64, SessionRow> = BTreeMap::new();
    let mut expiry = || ROTATED.saturating_add(MS * below(1_000_000) as u32);
    for number in 0..SESSIONS {
        let mut row = session(number, "alice", ROTATED.saturating_add(HOUR));
        row.idle_expiry = expiry();
        create(&store, &row);
        rows.insert(number, row);
    }
    for version in 1..=3 * SESSIONS {
        let row = rows.get_mut(&(version * 7 % SESSIONS)).expect("it is there");
        if version % 3 == 0 {
            let ended = Ended::new(EndReason::Logout, expiry());
            if block_on(store.end(row.handle, ended.reason, ended.at, version)).unwrap() {
                (row.ended, row.version) = (Some(ended), version);
            }
        } else if row.ended.is_none() {
            row.idle_expiry = expiry();
            assert!(block_on(store.compare_and_swap(row, version)).unwrap());
            row.version = version;
        }
    }
    for minute in 1..=17 {
        let time = ROTATED.saturating_add(MS * 60_000 * minute);
        while block_on(store.purge_dead(time)).unwrap() > 0 {}
        rows.retain(|_, row| row.dead_since() >= time);
        assert_eq!(store.len(), rows.len(), "after {minute} min");
        for number in 0..SESSIONS {
            let handle = session(number, "alice", ROTATED).handle;
            assert_eq!(block_on(store.load(handle)).unwrap().as_ref(), rows.get(&number), "{number}");
        }
    }
    assert!(store.is_empty());
}

#[test]
fn a_process_that_never_purges_keeps_no_row_much_longer_than_a_day() {
    let store = MemoryStore::new();
    let mut login = ROTATED;
    for number in 0..100_000 {
        login = login.saturating_add(HOUR / 100);
        create(&store, &session(number, &format!("user {number}"), login));
    }
    // 100 logins an hour; each session expires after an hour, and its row is kept for a day.
    assert!((2_500..3_500).contains(&store.len()), "{} rows", store.len());
}

#[test]
fn a_process_that_never_purges_removes_the_rows_of_a_burst_of_logins_in_time() {
    let store = MemoryStore::new();
    (0..50_000).for_each(|number| create(&store, &session(number, "burst", ROTATED)));
    let later = ROTATED.saturating_add(DAY * 2);
    (50_000..70_000).for_each(|number| create(&store, &session(number, "alice", later)));
    assert!(store.len() < 25_000, "{} rows", store.len());
}

#[test]
fn an_ended_session_is_kept_for_a_day() {
    let store = MemoryStore::new();
    let row = session(0, "alice", ROTATED);
    create(&store, &row);
    assert!(block_on(store.end(row.handle, EndReason::Logout, ROTATED, 1)).unwrap());
    let others = |login, numbers: std::ops::Range<u64>| {
        numbers.for_each(|number| create(&store, &session(number, "bob", login)));
    };
    others(ROTATED.saturating_add(DAY), 1..1000);
    assert!(block_on(store.load(row.handle)).unwrap().is_some(), "a day after the session ended");
    others(ROTATED.saturating_add(DAY + MS), 1000..2000);
    assert!(block_on(store.load(row.handle)).unwrap().is_none(), "later");
}

/// The sessions of which it receives an epoch.
#[derive(Default)]
struct Outdated(Mutex<Vec<(SessionHandle, u32)>>);

impl FeedWatcher for Outdated {
    fn ended(&self, _session: SessionHandle, _at: Timestamp) {}

    fn outdated(&self, session: SessionHandle, epoch: u32) {
        self.0.lock().expect("no test panics while it has the lock").push((session, epoch));
    }

    fn caught_up(&self) {}
}

#[test]
fn a_new_watcher_receives_outdated_claims_of_sessions_that_have_not_ended_and_are_not_purged() {
    let store = MemoryStore::new();
    let later = ROTATED.saturating_add(HOUR);
    for (number, login) in [(0, ROTATED), (1, ROTATED), (2, later)] {
        let row = session(number, "alice", login);
        create(&store, &row);
        assert_eq!(block_on(store.outdate_claims(row.handle, ROTATED, 1)).unwrap(), Some(1));
    }
    let received = || {
        let watcher = Outdated::default();
        let mut watching = pin!(store.watch_feed(ROTATED, &watcher));
        let mut context = Context::from_waker(Waker::noop());
        assert!(watching.as_mut().poll(&mut context).is_pending(), "the feed is open");
        let mut received = watcher.0.lock().unwrap().clone();
        received.sort_unstable();
        received
    };
    let handle = |number| session(number, "alice", ROTATED).handle;
    let mut all: Vec<_> = (0..3).map(|number| (handle(number), 1)).collect();
    all.sort_unstable();
    assert_eq!(received(), all);
    assert!(block_on(store.end(handle(0), EndReason::Logout, ROTATED, 2)).unwrap());
    let mut live = vec![(handle(1), 1), (handle(2), 1)];
    live.sort_unstable();
    assert_eq!(received(), live, "one has ended");
    assert_eq!(block_on(store.purge_dead(later.saturating_add(MS))).unwrap(), 2);
    assert_eq!(received(), [(handle(2), 1)], "one was purged");
}

#[test]
fn threads_that_create_end_and_purge_one_subject_leave_no_session_behind() {
    const THREADS: u64 = 4;
    const EACH: u64 = 2_000;
    let store = MemoryStore::new();
    let barrier = Arc::new(Barrier::new(THREADS as usize));
    let alice = Subject::new("alice");
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (store, barrier, alice) = (store.clone(), Arc::clone(&barrier), alice.clone());
            thread::spawn(move || {
                barrier.wait();
                for number in 0..EACH {
                    let row = session(number * THREADS + thread, "alice", ROTATED);
                    create(&store, &row);
                    match number % 4 {
                        0 => drop(block_on(store.end(row.handle, EndReason::Logout, ROTATED, 1)).unwrap()),
                        1 if number % 100 == 1 => {
                            block_on(store.end_subject(&alice, None, EndReason::Revoked, ROTATED, 2))
                                .unwrap();
                        }
                        2 => drop(block_on(store.purge_dead(ROTATED.saturating_add(MS))).unwrap()),
                        _ => drop(block_on(store.compare_and_swap(&row, number)).unwrap()),
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());

    let live = block_on(store.list(&alice, ROTATED, Page::first(usize::MAX))).unwrap().len();
    let end_some =
        || block_on(store.end_subject(&alice, None, EndReason::Revoked, ROTATED, 2)).unwrap().len();
    let ended: usize = iter::repeat_with(end_some).take_while(|&ended| ended > 0).sum();
    assert_eq!(live, ended, "the list and the index agree");
    while block_on(store.purge_dead(ROTATED.saturating_add(MS))).unwrap() > 0 {}
    assert!(store.is_empty());
    assert_eq!(block_on(store.list(&alice, ROTATED, Page::first(usize::MAX))).unwrap(), []);
}

#[test]
fn of_many_threads_that_swap_one_version_one_succeeds() {
    const THREADS: usize = 4;
    let store = MemoryStore::new();
    create(&store, &session(0, "alice", ROTATED));
    for version in 0..200 {
        let barrier = Arc::new(Barrier::new(THREADS));
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (store, barrier) = (store.clone(), Arc::clone(&barrier));
                thread::spawn(move || {
                    let mut row = session(0, "alice", ROTATED);
                    row.version = version;
                    barrier.wait();
                    block_on(store.compare_and_swap(&row, version + 1)).unwrap()
                })
            })
            .collect();
        let wins = threads.into_iter().map(|thread| thread.join().unwrap());
        assert_eq!(wins.filter(|&won| won).count(), 1);
    }
}

#[test]
fn each_call_ends_at_most_1024_of_200_000_sessions_of_a_subject_and_lists_a_page() {
    const SESSIONS: u64 = 200_000;
    let store = MemoryStore::new();
    (0..SESSIONS).for_each(|number| create(&store, &session(number, "robot", ROTATED)));
    let robot = Subject::new("robot");
    let page = block_on(store.list(&robot, ROTATED, Page::first(10))).unwrap();
    assert_eq!(page.len(), 10);
    let kept = page[3].handle;
    let end_some =
        || block_on(store.end_subject(&robot, Some(kept), EndReason::Revoked, ROTATED, 1)).unwrap().len();
    let calls: Vec<_> = iter::repeat_with(end_some).take_while(|&ended| ended > 0).collect();
    assert!(calls.iter().all(|&ended| ended <= 1024));
    assert_eq!(calls.iter().sum::<usize>() as u64, SESSIONS - 1);
    assert_eq!(block_on(store.list(&robot, ROTATED, Page::first(10))).unwrap(), page[3..4]);
}
