//! The store that keeps sessions in this process's memory.
//!
//! Rows are spread over shards by their handle, and the index of each subject's sessions over shards by subject, so
//! that requests seldom wait for each other. Where both locks are held, the subject's was taken first; no lock is held
//! across an await.

mod ends;
mod record;
mod shard;
mod subjects;

use std::{
    array,
    cmp::Reverse,
    convert::Infallible,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use self::{ends::Ends, shard::Shard, subjects::Subjects};
use crate::{
    EndReason, EndWatcher, SessionHandle, SessionRow, SessionStore, StoreError, StoreErrorKind, Subject,
    Timestamp,
};

/// Keeps sessions in memory: for tests, development, and services of one process that may log everybody out when it
/// restarts.
///
/// A clone is another handle on the same sessions. It is the reference of what a [`SessionStore`] does; nothing in it
/// is durable.
///
/// Rows of dead sessions go when [`purge_dead`](SessionStore::purge_dead) is called, and a few with each new
/// session once they were dead for a day, so that a process which never purges does not grow without end.
///
/// ```
/// use tower_refresh_core::{SessionHandle, MemoryStore, SessionRow, SessionStore, Subject, Timestamp};
///
/// # futures_executor::block_on(async {
/// let store = MemoryStore::new();
/// let login = Timestamp::from_secs(1_700_000_000);
/// let expiry = Timestamp::from_secs(1_700_600_000);
/// store.create(&SessionRow::new(SessionHandle::from_bytes([7; 16]), "alice".into(), login, expiry, expiry)).await?;
///
/// assert_eq!(store.list(&Subject::new("alice"), login).await?.len(), 1);
/// assert!(store.list(&Subject::new("alice"), expiry).await?.is_empty());
/// # Ok::<(), tower_refresh_core::StoreError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct MemoryStore {
    inner: Arc<Inner>,
}

const SHARDS: usize = 64;
const PURGED_PER_CALL: usize = 1024;
/// What one hold of a shard's lock removes at most, so that requests of its sessions do not wait long.
const PURGED_PER_LOCK: usize = 64;
/// More than one, so that a backlog shrinks with every login.
const PURGED_PER_CREATE: usize = 4;
const KEPT_AFTER_DEATH: Duration = Duration::from_secs(24 * 60 * 60);

struct Inner {
    shards: [Mutex<Shard>; SHARDS],
    subjects: Subjects,
    ends: Ends,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            shards: array::from_fn(|_| Mutex::default()),
            subjects: Subjects::default(),
            ends: Ends::default(),
        }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many rows it holds, those of ended and expired sessions included.
    pub fn len(&self) -> usize {
        self.inner.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Whether it holds no row.
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
        let purged = {
            let mut sessions = self.inner.subjects.lock(row.subject.as_str());
            let mut shard = self.inner.shard(row.handle);
            let subject = sessions.shared_name(row.subject.as_str());
            if !shard.insert(row, Arc::clone(&subject)) {
                return Err(StoreError::new(StoreErrorKind::AlreadyExists));
            }
            sessions.add(subject, row.handle);
            shard.purge(row.created_at.saturating_sub(KEPT_AFTER_DEATH), PURGED_PER_CREATE)
        };
        self.inner.unlist_all(purged);
        Ok(())
    }

    async fn load(&self, handle: SessionHandle) -> Result<Option<SessionRow>, StoreError> {
        Ok(self.inner.shard(handle).get(handle))
    }

    async fn compare_and_swap(&self, row: &SessionRow) -> Result<bool, StoreError> {
        Ok(self.inner.shard(row.handle).swap(row))
    }

    async fn end(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(subject) = self.inner.shard(handle).end(handle, None, reason, now) else { return Ok(false) };
        self.inner.unlist(handle, &subject);
        self.inner.ends.publish(handle, now);
        Ok(true)
    }

    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<SessionHandle>, StoreError> {
        let subject = subject.as_str();
        let mut ended = self.inner.subjects.lock(subject).handles(subject);
        ended.retain(|&handle| {
            except != Some(handle)
                && self.inner.shard(handle).end(handle, Some(subject), reason, now).is_some()
        });
        for &handle in &ended {
            self.inner.unlist(handle, subject);
            self.inner.ends.publish(handle, now);
        }
        Ok(ended)
    }

    async fn list(&self, subject: &Subject, now: Timestamp) -> Result<Vec<SessionRow>, StoreError> {
        let handles = self.inner.subjects.lock(subject.as_str()).handles(subject.as_str());
        let rows = handles.into_iter().filter_map(|handle| self.inner.shard(handle).get(handle));
        let mut live: Vec<_> = rows.filter(|row| row.subject == *subject && row.is_live(now)).collect();
        live.sort_by_key(|row| Reverse((row.created_at, row.handle)));
        Ok(live)
    }

    async fn purge_dead(&self, dead_before: Timestamp) -> Result<u64, StoreError> {
        let mut purged = 0;
        for shard in &self.inner.shards {
            let limit = PURGED_PER_LOCK.min(PURGED_PER_CALL - purged);
            let rows = lock(shard).purge(dead_before, limit);
            purged += rows.len();
            self.inner.unlist_all(rows);
        }
        Ok(purged as u64)
    }

    async fn watch_ends(&self, since: Timestamp, watcher: &dyn EndWatcher) -> Result<Infallible, StoreError> {
        let subscription = self.inner.ends.subscribe();
        for shard in &self.inner.shards {
            let ended = lock(shard).ended_since(since);
            ended.into_iter().for_each(|(handle, at)| watcher.ended(handle, at));
        }
        watcher.caught_up();
        loop {
            let (handle, at) = subscription.next().await;
            watcher.ended(handle, at);
        }
    }
}

impl Inner {
    fn shard(&self, handle: SessionHandle) -> MutexGuard<'_, Shard> {
        lock(&self.shards[shard_of(handle)])
    }

    fn unlist_all(&self, removed: Vec<(SessionHandle, Arc<str>)>) {
        for (handle, subject) in removed {
            self.unlist(handle, &subject);
        }
    }

    /// Takes a session that ended or was removed out of its subject's list.
    ///
    /// It comes after the shard's lock was released, so it looks again: a session created since then stays listed.
    fn unlist(&self, handle: SessionHandle, subject: &str) {
        let mut sessions = self.subjects.lock(subject);
        if !self.shard(handle).is_active(handle, subject) {
            sessions.remove(subject, handle);
        }
    }
}

/// Handles are hashes already, but those of tests may be counters: all bytes take part.
fn shard_of(handle: SessionHandle) -> usize {
    let bits = u128::from_le_bytes(*handle.as_bytes());
    let mixed = (bits as u64 ^ (bits >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize % SHARDS
}

/// A panic elsewhere cannot leave a shard half-written, so a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
