//! Who follows a feed in the tests.

use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::{sync::Notify, task::JoinHandle, time::timeout};
use tower_refresh_core::{EndWatcher, SessionHandle, SessionStore, StoreErrorKind, Timestamp};
use tower_refresh_postgres::PostgresStore;

const LONG: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Told {
    ends: Vec<(SessionHandle, Timestamp)>,
    times_caught_up: u32,
}

#[derive(Default)]
struct Notebook {
    told: Mutex<Told>,
    changed: Notify,
}

impl Notebook {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().expect("nobody panics with the notebook open")
    }
}

impl EndWatcher for Notebook {
    fn ended(&self, session: SessionHandle, at: Timestamp) {
        self.told().ends.push((session, at));
        self.changed.notify_waiters();
    }

    fn caught_up(&self) {
        self.told().times_caught_up += 1;
        self.changed.notify_waiters();
    }
}

/// Follows the feed of a store in the background.
pub(crate) struct Watcher {
    notebook: Arc<Notebook>,
    task: JoinHandle<StoreErrorKind>,
}

impl Watcher {
    pub(crate) async fn follow(store: &PostgresStore, since: Timestamp) -> Self {
        let notebook = Arc::<Notebook>::default();
        let (store, told) = (store.clone(), Arc::clone(&notebook));
        let task = tokio::spawn(async move { store.watch_ends(since, &*told).await.unwrap_err().kind() });
        let watcher = Self { notebook, task };
        watcher.until(|told| told.times_caught_up == 1).await;
        watcher
    }

    pub(crate) async fn until_told(&self, session: SessionHandle, at: Timestamp) {
        self.until(|told| told.ends.contains(&(session, at))).await;
    }

    pub(crate) fn knows(&self, session: SessionHandle) -> bool {
        self.notebook.told().ends.iter().any(|(known, _)| *known == session)
    }

    /// How the feed was lost.
    pub(crate) async fn lost(self) -> StoreErrorKind {
        timeout(LONG, self.task).await.expect("a lost feed is noticed").expect("the feed does not panic")
    }

    async fn until(&self, condition: impl Fn(&Told) -> bool) {
        let waiting = async {
            loop {
                let mut changed = pin!(self.notebook.changed.notified());
                changed.as_mut().enable();
                if condition(&self.notebook.told()) {
                    return;
                }
                changed.await;
            }
        };
        timeout(LONG, waiting).await.expect("the watcher is told in time");
    }
}
