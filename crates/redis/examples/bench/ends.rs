//! Session ends: of all sessions of a subject, and until another store reports them.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::task::JoinSet;
use tower_refresh_core::{EndReason, FeedWatcher, Page, SessionHandle, SessionStore, Subject, Timestamp};
use tower_refresh_redis::RedisStore;

use crate::{
    NOW, Result, WEEK,
    sessions::{handle, row},
};

pub(crate) async fn whole_subject(store: &RedisStore, first: u64) -> Result<()> {
    const SESSIONS: u64 = 10_000;
    let alice = Subject::new("alice");
    let mut set = JoinSet::new();
    for number in 0..SESSIONS {
        let (store, mut row) = (store.clone(), row(first + number));
        row.subject = alice.clone();
        set.spawn(async move { store.create(&row).await });
        if set.len() == 64 {
            set.join_next().await.ok_or("a task")???;
        }
    }
    set.join_all().await.into_iter().collect::<std::result::Result<Vec<_>, _>>()?;
    let started = Instant::now();
    assert_eq!(store.list(&alice, NOW, Page::first(usize::MAX)).await?.len() as u64, SESSIONS);
    println!("| list of {SESSIONS} sessions of one subject | | {:?} | |", started.elapsed());
    let started = Instant::now();
    let mut ended = 0;
    while ended < SESSIONS {
        ended += store.end_subject(&alice, None, EndReason::Revoked, NOW, 7).await?.len() as u64;
    }
    println!("| end_subject of {SESSIONS} sessions | | {:?} | |", started.elapsed());
    Ok(())
}

/// Records when an end was reported.
#[derive(Default)]
struct Watcher(Mutex<Reported>);

#[derive(Default)]
struct Reported {
    caught_up: bool,
    last: Option<(SessionHandle, Instant)>,
}

impl FeedWatcher for Watcher {
    fn ended(&self, session: SessionHandle, _: Timestamp) {
        if let Ok(mut reported) = self.0.lock()
            && reported.last.is_none_or(|(last, _)| last != session)
        {
            reported.last = Some((session, Instant::now()));
        }
    }

    fn outdated(&self, _session: SessionHandle, _epoch: u32) {}

    fn caught_up(&self) {
        if let Ok(mut reported) = self.0.lock() {
            reported.caught_up = true;
        }
    }
}

/// From the call of `end` on one store to the watcher of another.
pub(crate) async fn report_time(here: &RedisStore, there: &RedisStore, first: u64) -> Result<()> {
    const ENDS: u64 = 1_000;
    let watcher = Arc::new(Watcher::default());
    let watching = tokio::spawn({
        let (there, watcher) = (there.clone(), Arc::clone(&watcher));
        async move { there.watch_feed(NOW.saturating_add(WEEK), &*watcher).await }
    });
    let reported =
        |condition: &dyn Fn(&Reported) -> bool| watcher.0.lock().is_ok_and(|reported| condition(&reported));
    while !reported(&|reported| reported.caught_up) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut times = Vec::new();
    for number in 0..ENDS {
        let handle = handle(first + number);
        here.create(&row(first + number)).await?;
        let started = Instant::now();
        here.end(handle, EndReason::Logout, NOW.saturating_add(WEEK), 7).await?;
        while !reported(&|reported| reported.last.is_some_and(|(last, _)| last == handle)) {
            tokio::task::yield_now().await;
        }
        times.extend(watcher.0.lock().ok().and_then(|reported| reported.last).map(|(_, at)| at - started));
    }
    watching.abort();
    times.sort_unstable();
    let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("| from the end on one store to its report on another | | median {median:?}, p99 {p99:?} | |");
    Ok(())
}
