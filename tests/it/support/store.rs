//! A store that counts its calls, fails on demand, and can be paused.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use tokio::sync::Semaphore;
use tower_refresh::{
    MemoryStore, SessionHandle, Subject, Timestamp,
    event::EndReason,
    store::{FeedWatcher, Page, SessionStore, StoreError, StoreErrorKind},
};
use tower_refresh_core::SessionRow;

/// The calls of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    Create,
    Load,
    Swap,
    End,
    EndSubject,
    Outdate,
    List,
    Purge,
}

/// The behaviour of a call instead of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It returns that the database is unavailable, and does nothing.
    Fails,
    /// It does its work, and then returns that the database is unavailable.
    FailsAfterwards,
    /// It panics.
    Panics,
    /// It never answers.
    Hangs,
}

#[derive(Clone, Default)]
pub struct TestStore {
    pub inner: MemoryStore,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    calls: HashMap<Op, usize>,
    faults: HashMap<Op, Fault>,
    gates: HashMap<Op, Arc<Semaphore>>,
    answer_gates: HashMap<Op, Arc<Semaphore>>,
    pauses: bool,
    overlooks: HashMap<Op, usize>,
    feed_is_lost: bool,
    reported: Vec<(SessionHandle, Timestamp)>,
    reported_outdated: Vec<(SessionHandle, u32)>,
    unknown_notices: usize,
    tells_versions: bool,
    /// The versions of each session, oldest first.
    versions: HashMap<SessionHandle, Vec<u64>>,
}

impl TestStore {
    /// The number of calls of `op`.
    pub fn calls(&self, op: Op) -> usize {
        self.state.lock().unwrap().calls.get(&op).copied().unwrap_or(0)
    }

    /// The number of calls since the last time this was called, by kind, without the kinds that were not called.
    pub fn take_calls(&self) -> Vec<(Op, usize)> {
        let mut calls: Vec<_> = self.state.lock().unwrap().calls.drain().collect();
        calls.sort_unstable();
        calls
    }

    /// How often the row of a session was written since it was created.
    pub fn writes(&self, session: SessionHandle) -> usize {
        self.state.lock().unwrap().versions.get(&session).map_or(0, |versions| versions.len() - 1)
    }

    /// Every write needs a version that the row never had, and that fits into a signed column.
    fn record_version(&self, session: SessionHandle, version: u64) {
        let mut state = self.state.lock().unwrap();
        let versions = state.versions.entry(session).or_default();
        assert!(version <= i64::MAX as u64, "{version} fits");
        assert!(!versions.contains(&version), "{version} is new");
        versions.push(version);
    }

    /// From now on `op` fails with this fault.
    pub fn break_op(&self, op: Op, fault: Fault) {
        self.state.lock().unwrap().faults.insert(op, fault);
    }

    /// The next calls of `op`, which ends sessions, find none that is live, as if each had ended between the look and the end, and
    /// went on as another one that was not looked at.
    pub fn overlook_sessions(&self, op: Op, calls: usize) {
        self.state.lock().unwrap().overlooks.insert(op, calls);
    }

    fn overlooks(&self, op: Op) -> bool {
        let mut state = self.state.lock().unwrap();
        let left = state.overlooks.get_mut(&op).filter(|left| **left > 0);
        left.map(|left| *left -= 1).is_some()
    }

    /// From now on the feed of ended sessions cannot be joined.
    pub fn lose_feed(&self) {
        self.state.lock().unwrap().feed_is_lost = true;
    }

    /// From now on a new follower of the feed receives this session end, whatever the store contains.
    pub fn report_end(&self, session: SessionHandle, at: Timestamp) {
        self.state.lock().unwrap().reported.push((session, at));
    }

    /// From now on a new follower of the feed receives this epoch, whatever the store contains.
    pub fn report_outdated(&self, session: SessionHandle, epoch: u32) {
        self.state.lock().unwrap().reported_outdated.push((session, epoch));
    }

    /// From now on a new follower of the feed receives a notice of an unknown kind.
    pub fn report_unknown_notice(&self) {
        self.state.lock().unwrap().unknown_notices += 1;
    }

    /// From now on new followers receive only what the store contains.
    pub fn forget_reported_ends(&self) {
        self.state.lock().unwrap().reported.clear();
    }

    /// All calls work again.
    pub fn fix(&self) {
        self.state.lock().unwrap().faults.clear();
    }

    /// Calls of `op` wait at a gate until they are [let through](Self::let_through).
    pub fn hold(&self, op: Op) {
        self.state.lock().unwrap().gates.insert(op, Arc::new(Semaphore::new(0)));
    }

    /// Calls of `op` do their work, and wait before they answer until they are [let through](Self::let_through).
    pub fn hold_answer(&self, op: Op) {
        self.state.lock().unwrap().answer_gates.insert(op, Arc::new(Semaphore::new(0)));
    }

    /// Opens the gates of `op` permanently.
    pub fn let_through(&self, op: Op) {
        let mut state = self.state.lock().unwrap();
        for gate in [state.gates.remove(&op), state.answer_gates.remove(&op)].into_iter().flatten() {
            gate.close();
        }
    }

    /// From now on it tells at once whether a row has a version, as a store in the memory of the process.
    pub fn tell_versions(&self) {
        self.state.lock().unwrap().tells_versions = true;
    }

    /// From now on each call is pending once before its work and once after it.
    pub fn pause_in_calls(&self) {
        self.state.lock().unwrap().pauses = true;
    }

    /// The row of a session, without counting as a call.
    pub async fn row(&self, handle: SessionHandle) -> Option<SessionRow> {
        self.inner.load(handle).await.unwrap()
    }

    async fn call<T>(
        &self,
        op: Op,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let (gate, fault, answer_gate, pauses) = {
            let mut state = self.state.lock().unwrap();
            *state.calls.entry(op).or_default() += 1;
            let gate = |gates: &HashMap<Op, Arc<Semaphore>>| gates.get(&op).cloned();
            let (before, after) = (gate(&state.gates), gate(&state.answer_gates));
            (before, state.faults.get(&op).copied(), after, state.pauses)
        };
        if pauses {
            tokio::task::yield_now().await;
        }
        if let Some(gate) = gate {
            // An open gate is a closed semaphore.
            let _ = gate.acquire().await;
        }
        let result = match fault {
            None => work.await,
            Some(Fault::Fails) => Err(StoreError::new(StoreErrorKind::Unavailable)),
            Some(Fault::FailsAfterwards) => {
                work.await?;
                Err(StoreError::new(StoreErrorKind::Unavailable))
            }
            Some(Fault::Panics) => panic!("the test store panics on demand"),
            Some(Fault::Hangs) => std::future::pending().await,
        };
        if pauses {
            tokio::task::yield_now().await;
        }
        if let Some(gate) = answer_gate {
            let _ = gate.acquire().await;
        }
        result
    }
}

impl SessionStore for TestStore {
    async fn create(&self, row: &SessionRow) -> Result<(), StoreError> {
        let create = async {
            self.inner.create(row).await?;
            self.record_version(row.handle, row.version);
            Ok(())
        };
        self.call(Op::Create, create).await
    }

    async fn load(&self, handle: SessionHandle) -> Result<Option<SessionRow>, StoreError> {
        self.call(Op::Load, self.inner.load(handle)).await
    }

    fn has_version(&self, handle: SessionHandle, version: u64) -> Option<bool> {
        self.state.lock().unwrap().tells_versions.then(|| self.inner.has_version(handle, version)).flatten()
    }

    async fn compare_and_swap(&self, row: &SessionRow, version: u64) -> Result<bool, StoreError> {
        let swap = async {
            let swapped = self.inner.compare_and_swap(row, version).await?;
            if swapped {
                self.record_version(row.handle, version);
            }
            Ok(swapped)
        };
        self.call(Op::Swap, swap).await
    }

    async fn end(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<bool, StoreError> {
        let end = async {
            if self.overlooks(Op::End) {
                return Ok(false);
            }
            let ended = self.inner.end(handle, reason, now, version).await?;
            if ended {
                self.record_version(handle, version);
            }
            Ok(ended)
        };
        self.call(Op::End, end).await
    }

    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<Vec<SessionHandle>, StoreError> {
        let end = async {
            if self.overlooks(Op::EndSubject) {
                return Ok(Vec::new());
            }
            let ended = self.inner.end_subject(subject, except, reason, now, version).await?;
            ended.iter().for_each(|session| self.record_version(*session, version));
            Ok(ended)
        };
        self.call(Op::EndSubject, end).await
    }

    async fn outdate_claims(
        &self,
        handle: SessionHandle,
        now: Timestamp,
        version: u64,
    ) -> Result<Option<u32>, StoreError> {
        let outdate = async {
            let epoch = self.inner.outdate_claims(handle, now, version).await?;
            if epoch.is_some() {
                self.record_version(handle, version);
            }
            Ok(epoch)
        };
        self.call(Op::Outdate, outdate).await
    }

    async fn list(
        &self,
        subject: &Subject,
        now: Timestamp,
        page: Page,
    ) -> Result<Vec<SessionRow>, StoreError> {
        self.call(Op::List, self.inner.list(subject, now, page)).await
    }

    async fn purge_dead(&self, dead_before: Timestamp) -> Result<u64, StoreError> {
        self.call(Op::Purge, self.inner.purge_dead(dead_before)).await
    }

    async fn watch_feed(
        &self,
        since: Timestamp,
        watcher: &dyn FeedWatcher,
    ) -> Result<Infallible, StoreError> {
        if self.state.lock().unwrap().feed_is_lost {
            return Err(StoreError::new(StoreErrorKind::Unavailable));
        }
        let (reported, outdated, unknown_notices) = {
            let state = self.state.lock().unwrap();
            (state.reported.clone(), state.reported_outdated.clone(), state.unknown_notices)
        };
        (0..unknown_notices).for_each(|_| watcher.unknown_notice());
        reported.iter().for_each(|(session, at)| watcher.ended(*session, *at));
        outdated.iter().for_each(|(session, epoch)| watcher.outdated(*session, *epoch));
        self.inner.watch_feed(since, watcher).await
    }
}
