//! A watcher of the feed that records what is reported.

use std::{
    error::Error,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::{sync::Notify, task::JoinHandle, time::timeout};
use tower_refresh_core::{FeedWatcher, SessionHandle, SessionStore, StoreErrorKind, Timestamp};

use crate::LONG;

#[derive(Debug, Default)]
struct Reports {
    ends: Vec<(SessionHandle, Timestamp)>,
    epochs: Vec<(SessionHandle, u32)>,
    times_caught_up: u32,
    unknown: usize,
}

#[derive(Debug, Default)]
struct Recorder {
    reports: Mutex<Reports>,
    changed: Notify,
}

impl Recorder {
    fn reports(&self) -> MutexGuard<'_, Reports> {
        self.reports.lock().expect("no test panics while it has the lock")
    }
}

impl FeedWatcher for Recorder {
    fn ended(&self, session: SessionHandle, at: Timestamp) {
        self.reports().ends.push((session, at));
        self.changed.notify_waiters();
    }

    fn outdated(&self, session: SessionHandle, epoch: u32) {
        self.reports().epochs.push((session, epoch));
        self.changed.notify_waiters();
    }

    fn caught_up(&self) {
        self.reports().times_caught_up += 1;
        self.changed.notify_waiters();
    }

    fn unknown_notice(&self) {
        self.reports().unknown += 1;
    }
}

/// Why a feed is lost that never catches up.
pub async fn why_lost(store: &impl SessionStore, since: Timestamp) -> (StoreErrorKind, String) {
    let recorder = Recorder::default();
    let error = timeout(LONG, store.watch_feed(since, &recorder)).await.expect("it is noticed").unwrap_err();
    assert_eq!(recorder.reports().times_caught_up, 0, "the feed never seems to be up");
    (error.kind(), error.source().map(ToString::to_string).unwrap_or_default())
}

/// Watches the feed of a store in the background.
#[derive(Debug)]
pub struct Watcher {
    recorder: Arc<Recorder>,
    task: JoinHandle<StoreErrorKind>,
}

impl Watcher {
    /// Starts, and waits until the feed has caught up.
    pub async fn start(store: &(impl SessionStore + Clone + 'static), since: Timestamp) -> Self {
        let recorder = Arc::<Recorder>::default();
        let (store, watcher) = (store.clone(), Arc::clone(&recorder));
        let task = tokio::spawn(async move { store.watch_feed(since, &*watcher).await.unwrap_err().kind() });
        let watcher = Self { recorder, task };
        watcher.until(|reports| reports.times_caught_up == 1).await;
        watcher
    }

    /// Waits until the end is reported.
    pub async fn until_reported(&self, session: SessionHandle, at: Timestamp) {
        self.until(|reports| reports.ends.contains(&(session, at))).await;
    }

    /// Waits until the epoch is reported.
    pub async fn until_outdated(&self, session: SessionHandle, epoch: u32) {
        self.until(|reports| reports.epochs.contains(&(session, epoch))).await;
    }

    /// The epochs that were reported, in their order.
    pub fn epochs(&self, session: SessionHandle) -> Vec<u32> {
        self.all_epochs().iter().filter(|(known, _)| *known == session).map(|(_, epoch)| *epoch).collect()
    }

    /// The epochs of all sessions that were reported.
    pub fn all_epochs(&self) -> Vec<(SessionHandle, u32)> {
        self.recorder.reports().epochs.clone()
    }

    /// Whether an end of the session was reported.
    pub fn has_seen(&self, session: SessionHandle) -> bool {
        self.recorder.reports().ends.iter().any(|(known, _)| *known == session)
    }

    /// How many notices of unknown kinds there were.
    pub fn unknown_notices(&self) -> usize {
        self.recorder.reports().unknown
    }

    /// How the feed was lost.
    pub async fn lost(self) -> StoreErrorKind {
        timeout(LONG, self.task).await.expect("a lost feed is noticed").expect("the feed does not panic")
    }

    async fn until(&self, condition: impl Fn(&Reports) -> bool) {
        let waiting = async {
            loop {
                let mut changed = pin!(self.recorder.changed.notified());
                changed.as_mut().enable();
                if condition(&self.recorder.reports()) {
                    return;
                }
                changed.await;
            }
        };
        timeout(LONG, waiting).await.expect("it is reported in time");
    }
}
