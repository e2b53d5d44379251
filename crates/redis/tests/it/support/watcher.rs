//! A watcher of the feed that records what is reported.

use std::sync::{Arc, Mutex};

use tokio::task::AbortHandle;
use tower_refresh_core::{FeedWatcher, SessionHandle, SessionStore, StoreError, Timestamp};
use tower_refresh_redis::RedisStore;

use super::until_async;

#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Reports>>);

#[derive(Default)]
struct Reports {
    ends: Vec<(SessionHandle, Timestamp)>,
    epochs: Vec<(SessionHandle, u32)>,
    caught_up: usize,
    unknown: usize,
    error: Option<StoreError>,
}

/// Stops following.
pub(crate) struct Following(AbortHandle);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Follows the store's feed until it fails, or `Following` is dropped.
pub(crate) fn follow(store: &RedisStore, since: Timestamp) -> (Seen, Following) {
    let (store, seen) = (store.clone(), Seen::default());
    let watcher = seen.clone();
    let task = tokio::spawn(async move {
        let Err(error) = store.watch_feed(since, &watcher).await;
        watcher.0.lock().unwrap().error = Some(error);
    });
    (seen, Following(task.abort_handle()))
}

impl Seen {
    pub(crate) fn has_seen(&self, handle: SessionHandle) -> bool {
        self.0.lock().unwrap().ends.iter().any(|(known, _)| *known == handle)
    }

    pub(crate) async fn until_outdated(&self, handle: SessionHandle, epoch: u32) {
        let is_reported = async || self.epochs(handle).contains(&epoch);
        until_async("the outdated claims are reported", is_reported).await;
    }

    /// The epochs that were reported, in their order.
    pub(crate) fn epochs(&self, handle: SessionHandle) -> Vec<u32> {
        let reports = self.0.lock().unwrap();
        reports.epochs.iter().filter(|(known, _)| *known == handle).map(|(_, epoch)| *epoch).collect()
    }

    pub(crate) async fn until_unknown_notices(&self, number: usize) {
        let are_reported = async || self.0.lock().unwrap().unknown == number;
        until_async("the unknown notices are reported", are_reported).await;
    }

    pub(crate) async fn until_caught_up(&self) {
        until_async("the feed catches up", async || self.0.lock().unwrap().caught_up > 0).await;
    }

    pub(crate) async fn until_reported(&self, handle: SessionHandle, at: Timestamp) {
        let is_reported = async || self.0.lock().unwrap().ends.contains(&(handle, at));
        until_async("the end is reported", is_reported).await;
    }

    pub(crate) async fn until_lost(&self) -> StoreError {
        until_async("the feed is lost", async || self.0.lock().unwrap().error.is_some()).await;
        self.0.lock().unwrap().error.take().unwrap()
    }
}

impl FeedWatcher for Seen {
    fn ended(&self, session: SessionHandle, at: Timestamp) {
        self.0.lock().unwrap().ends.push((session, at));
    }

    fn outdated(&self, session: SessionHandle, epoch: u32) {
        self.0.lock().unwrap().epochs.push((session, epoch));
    }

    fn caught_up(&self) {
        self.0.lock().unwrap().caught_up += 1;
    }

    fn unknown_notice(&self) {
        self.0.lock().unwrap().unknown += 1;
    }
}
