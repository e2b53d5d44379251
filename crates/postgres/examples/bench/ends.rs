//! Session ends: of all sessions of a subject, and until another store reports them.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use postgres_testing::server::Server;
use tokio::{sync::mpsc, task::JoinSet, time::sleep};
use tower_refresh_core::{
    EndReason, FeedWatcher, Page, SessionHandle, SessionRow, SessionStore, Subject, Timestamp,
};
use tower_refresh_postgres::PostgresStore;

use crate::{NOW, fill, open, percentile};

pub(crate) fn row(subject: &Subject, number: u64) -> SessionRow {
    let handle = SessionHandle::from_bytes(
        u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes(),
    );
    let expiry = NOW.saturating_add(Duration::from_secs(30 * 24 * 60 * 60));
    let mut row = SessionRow::new(handle, subject.clone(), NOW, expiry, expiry);
    row.meta.user_agent = Some(fill::USER_AGENT.into());
    row
}

async fn create(store: &PostgresStore, subject: &'static str, count: u64) {
    let mut tasks = JoinSet::new();
    for task in 0..10 {
        let (store, subject) = (store.clone(), Subject::new(subject));
        tasks.spawn(async move {
            for number in (task..count).step_by(10) {
                store.create(&row(&subject, number)).await.expect("creates");
            }
        });
    }
    tasks.join_all().await;
}

pub(crate) async fn subject(server: &Server, count: u64) -> Result<(), Box<dyn Error>> {
    let store = open(server, "subject").await?;
    let start = Instant::now();
    create(&store, "alice", count).await;
    println!("  {count} logins, 10 at a time: {:.2} s", start.elapsed().as_secs_f64());

    let subject = Subject::new("alice");
    let start = Instant::now();
    let listed = store.list(&subject, NOW, Page::first(usize::MAX)).await?;
    println!("  list of {}: {:.0} ms", listed.len(), start.elapsed().as_secs_f64() * 1000.0);
    let start = Instant::now();
    let mut ended = Vec::new();
    loop {
        let spared = Some(listed[0].handle);
        match store.end_subject(&subject, spared, EndReason::Revoked, NOW, 7).await? {
            some if some.is_empty() => break,
            some => ended.extend(some),
        }
    }
    println!("  end_subject of {}: {:.0} ms", ended.len(), start.elapsed().as_secs_f64() * 1000.0);
    Ok(())
}

struct Watcher(mpsc::UnboundedSender<Option<(SessionHandle, Instant)>>);

impl FeedWatcher for Watcher {
    fn ended(&self, session: SessionHandle, _: Timestamp) {
        let _ = self.0.send(Some((session, Instant::now())));
    }

    fn outdated(&self, _session: SessionHandle, _epoch: u32) {}

    fn caught_up(&self) {
        let _ = self.0.send(None);
    }
}

pub(crate) async fn report_time(server: &Server, count: u64) -> Result<(), Box<dyn Error>> {
    let here = open(server, "reports").await?;
    let there = PostgresStore::connect(&server.url("reports")).await?;
    create(&here, "alice", count).await;
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let watcher = Arc::new(Watcher(sender));
    let watching = tokio::spawn(async move { there.watch_feed(NOW, &*watcher).await });
    assert!(receiver.recv().await.is_some_and(|reported| reported.is_none()), "nothing ended before");

    let (mut calls, mut answers) = (Vec::new(), Vec::new());
    for number in 0..count {
        let handle = row(&Subject::new("alice"), number).handle;
        let start = Instant::now();
        assert!(here.end(handle, EndReason::Logout, NOW, 7).await?, "it is the first end");
        let answered = Instant::now();
        let reported = receiver.recv().await.flatten().filter(|(session, _)| *session == handle);
        let (_, at) = reported.expect("the end is reported");
        calls.push(at - start);
        answers.push(at.saturating_duration_since(answered));
        sleep(Duration::from_millis(3)).await;
    }
    watching.abort();
    for (name, mut times) in [("call", calls), ("answer", answers)] {
        times.sort_unstable();
        println!(
            "  from the {name}: median {:.2}, p99 {:.2}",
            percentile(&times, 0.5),
            percentile(&times, 0.99)
        );
    }
    Ok(())
}

/// How long it takes until a server that starts has heard of the sessions that ended before, in milliseconds.
pub(crate) async fn catch_up(store: &PostgresStore, ended: u64) -> f64 {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let (store, watcher) = (store.clone(), Arc::new(Watcher(sender)));
    let start = Instant::now();
    let watching = tokio::spawn(async move { store.watch_feed(NOW, &*watcher).await });
    let mut reported = 0;
    while let Some(Some(_)) = receiver.recv().await {
        reported += 1;
    }
    let took = start.elapsed();
    watching.abort();
    assert_eq!(reported, ended, "each end is reported once");
    took.as_secs_f64() * 1000.0
}
