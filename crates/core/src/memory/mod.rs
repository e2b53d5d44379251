//! The store that keeps sessions in memory.
//!
//! Rows are sharded by handle, and the index of the sessions of each subject is sharded by subject, so that requests
//! rarely wait for each other. Code that needs both locks takes the one of the subject first. User agents are stored once, in
//! shards whose locks are taken last. No lock is held across an await.

mod deaths;
mod hashes;
mod indexed;
mod locks;
mod notices;
mod record;
mod shard;
mod subjects;
mod user_agents;

use std::{
    array,
    collections::BTreeMap,
    convert::Infallible,
    fmt, iter,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use self::{
    hashes::HandleHasher,
    locks::{SHARDS, lock},
    notices::{Notice, Notices},
    record::Record,
    shard::Shard,
    subjects::Subjects,
    user_agents::UserAgents,
};
use crate::{
    EndReason, Ended, FeedWatcher, Page, SessionHandle, SessionRow, SessionStore, StoreError, StoreErrorKind,
    Subject, Timestamp,
};

/// Stores sessions in memory: for tests, for development, and for services with a single process that may log all users
/// out when it restarts.
///
/// It is the reference implementation of a [`SessionStore`]. Nothing in it is durable. A clone shares the same sessions.
///
/// [`purge_dead`](SessionStore::purge_dead) removes the rows of sessions that have ended or expired. In addition, each
/// [`create`](SessionStore::create) removes a few rows of sessions that ended or expired more than a day ago, so that
/// the memory of a process that never purges stays bounded.
///
/// A session takes less than 300 bytes, plus its label, binding and data, and what its subject is longer than ten bytes. A user agent is
/// stored once for all sessions that have it, until the last of them is removed. A purge gives the memory back.
///
/// ```
/// use tower_refresh_core::{MemoryStore, Page, SessionHandle, SessionRow, SessionStore, Subject, Timestamp};
///
/// # futures_executor::block_on(async {
/// let store = MemoryStore::new();
/// let login = Timestamp::from_secs(1_700_000_000);
/// let expiry = Timestamp::from_secs(1_700_600_000);
/// store.create(&SessionRow::new(SessionHandle::from_bytes([7; 16]), "alice".into(), login, expiry, expiry)).await?;
///
/// assert_eq!(store.list(&Subject::new("alice"), login, Page::first(10)).await?.len(), 1);
/// assert!(store.list(&Subject::new("alice"), expiry, Page::first(10)).await?.is_empty());
/// # Ok::<(), tower_refresh_core::StoreError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct MemoryStore {
    inner: Arc<Inner>,
}

const PURGED_PER_CALL: usize = 1024;
/// How many rows are removed while a shard is locked, so that requests for its sessions do not wait long.
const PURGED_PER_LOCK: usize = 64;
/// More than one, so that each login reduces a backlog.
const PURGED_PER_CREATE: usize = 4;
/// How many sessions of a subject a call ends.
const ENDED_PER_CALL: usize = 1024;
/// How many handles are copied while the index is locked.
const HANDLES_PER_LOCK: usize = 1024;
const KEPT_AFTER_DEATH: Duration = Duration::from_secs(24 * 60 * 60);

struct Inner {
    hasher: HandleHasher,
    shards: [Mutex<Shard>; SHARDS],
    subjects: Subjects,
    user_agents: UserAgents,
    notices: Notices,
}

impl Default for Inner {
    fn default() -> Self {
        let hasher = HandleHasher::default();
        Self {
            hasher,
            shards: array::from_fn(|_| Mutex::new(Shard::new(hasher))),
            subjects: Subjects::default(),
            user_agents: UserAgents::default(),
            notices: Notices::default(),
        }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of rows, including those of ended and expired sessions.
    pub fn len(&self) -> usize {
        self.inner.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("sessions", &self.len()).finish()
    }
}

impl SessionStore for MemoryStore {
    async fn create(&self, row: &SessionRow) -> Result<(), StoreError> {
        let removed = {
            let mut sessions = self.inner.subjects.lock(row.subject.as_str());
            let mut shard = self.inner.shard(row.handle);
            if shard.contains(row.handle) {
                return Err(StoreError::new(StoreErrorKind::AlreadyExists));
            }
            let user_agent = row.meta.user_agent.as_deref().map(|text| self.inner.user_agents.share(text));
            shard.insert(Record::new(row, sessions.add(row.handle), user_agent));
            shard.purge(row.created_at.saturating_sub(KEPT_AFTER_DEATH), PURGED_PER_CREATE)
        };
        self.inner.forget_all(removed);
        Ok(())
    }

    async fn load(&self, handle: SessionHandle) -> Result<Option<SessionRow>, StoreError> {
        Ok(self.inner.shard(handle).get(handle))
    }

    fn has_version(&self, handle: SessionHandle, version: u64) -> Option<bool> {
        Some(self.inner.shard(handle).has_version(handle, version))
    }

    async fn compare_and_swap(&self, row: &SessionRow, version: u64) -> Result<bool, StoreError> {
        Ok(self.inner.shard(row.handle).swap(row, version))
    }

    async fn end(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<bool, StoreError> {
        let ended = Ended::new(reason, now);
        let Some(subject) = self.inner.shard(handle).end(handle, None, ended, version) else {
            return Ok(false);
        };
        self.inner.unlist(handle, &subject);
        self.inner.notices.publish(Notice::Ended(handle, now));
        Ok(true)
    }

    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<Vec<SessionHandle>, StoreError> {
        let (subject, end) = (subject.as_str(), Ended::new(reason, now));
        // Handles whose sessions were ended by others are still listed for a moment, so some may end nothing.
        for handles in self.inner.handles(subject, ENDED_PER_CALL) {
            let mut ended = handles;
            ended.retain(|&handle| {
                except != Some(handle)
                    && self.inner.shard(handle).end(handle, Some(subject), end, version).is_some()
            });
            for &handle in &ended {
                self.inner.unlist(handle, subject);
                self.inner.notices.publish(Notice::Ended(handle, now));
            }
            if !ended.is_empty() {
                return Ok(ended);
            }
        }
        Ok(Vec::new())
    }

    async fn outdate_claims(
        &self,
        handle: SessionHandle,
        now: Timestamp,
        version: u64,
    ) -> Result<Option<u32>, StoreError> {
        let epoch = self.inner.shard(handle).outdate_claims(handle, now, version);
        if let Some(epoch) = epoch {
            self.inner.notices.publish(Notice::Outdated(handle, epoch));
        }
        Ok(epoch)
    }

    async fn list(
        &self,
        subject: &Subject,
        now: Timestamp,
        page: Page,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let mut newest = BTreeMap::new();
        for handle in self.inner.handles(subject.as_str(), HANDLES_PER_LOCK).flatten() {
            let Some(row) = self.inner.shard(handle).get(handle) else { continue };
            if row.subject != *subject || !row.is_live(now) || !page.includes(&row) {
                continue;
            }
            newest.insert((row.created_at, row.handle), row);
            if newest.len() > page.limit {
                newest.pop_first();
            }
        }
        Ok(newest.into_values().rev().collect())
    }

    async fn purge_dead(&self, dead_before: Timestamp) -> Result<u64, StoreError> {
        let mut purged = 0;
        for shard in &self.inner.shards {
            let limit = PURGED_PER_LOCK.min(PURGED_PER_CALL - purged);
            let removed = lock(shard).purge(dead_before, limit);
            purged += removed.len();
            self.inner.forget_all(removed);
        }
        Ok(purged as u64)
    }

    async fn watch_feed(
        &self,
        since: Timestamp,
        watcher: &dyn FeedWatcher,
    ) -> Result<Infallible, StoreError> {
        let subscription = self.inner.notices.subscribe();
        for shard in &self.inner.shards {
            let notices = lock(shard).notices_since(since);
            notices.into_iter().for_each(|notice| notice.report(watcher));
        }
        watcher.caught_up();
        loop {
            subscription.next().await.report(watcher);
        }
    }
}

impl Inner {
    /// The handles of the subject, ordered, `limit` at a time. Each part is read when it is needed.
    fn handles(&self, subject: &str, limit: usize) -> impl Iterator<Item = Vec<SessionHandle>> {
        let mut last = None;
        iter::from_fn(move || {
            let handles = self.subjects.lock(subject).handles(last, limit);
            last = handles.last().copied();
            last.map(|_| handles)
        })
    }

    fn shard(&self, handle: SessionHandle) -> MutexGuard<'_, Shard> {
        lock(&self.shards[self.hasher.place(handle).shard])
    }

    /// Removes what sessions that were purged share with others.
    fn forget_all(&self, removed: Vec<Record>) {
        for record in removed {
            self.unlist(record.handle, &record.subject);
            if let Some(user_agent) = record.user_agent {
                self.user_agents.release(user_agent);
            }
        }
    }

    /// Removes a session that ended or was purged from the index of its subject.
    ///
    /// The lock of the shard has been released since then, so this checks again: a session that was created meanwhile
    /// stays in the index.
    fn unlist(&self, handle: SessionHandle, subject: &str) {
        let mut sessions = self.subjects.lock(subject);
        if !self.shard(handle).is_active(handle, subject) {
            sessions.remove(handle);
        }
    }
}
