//! A store without any art, with a mistake of choice.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    sync::{Mutex, MutexGuard},
    task::Poll,
    time::Duration,
};

use tower_refresh_core::{
    EndReason, EndWatcher, Ended, Handle, Row, SessionStore, StoreError, StoreErrorKind, Subject, Timestamp,
};

/// What the store does wrong.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    CreateOverwrites,
    CreateOverwritesEnded,
    CreateLosesMilliseconds,
    CreateTrimsTexts,
    CreateCutsAtNul,
    CreateDropsEmptyTexts,
    HandlesIgnoreCase,
    LoadHidesEnded,
    SwapInserts,
    SwapIgnoresVersion,
    SwapIgnoresEnd,
    SwapKeepsVersion,
    SwapForgetsExpiry,
    EndAgain,
    EndInserts,
    EndKeepsVersion,
    EndSparesExpired,
    EndSubjectIgnoresException,
    EndSubjectReturnsAll,
    SubjectsIgnoreCase,
    SubjectsByPrefix,
    ListShowsEnded,
    ListOldestFirst,
    ListAtExpiry,
    PurgeAtTheTime,
    PurgeByExpiryOnly,
    PurgeStopsEarly,
    PurgeNeverZero,
    FeedForgetsThePast,
    FeedLeavesOutTheTime,
    FeedTellsAll,
    FeedTellsWrongTimes,
    FeedStops,
}

pub(crate) struct FaultyStore {
    fault: Option<Fault>,
    rows: Mutex<BTreeMap<String, Row>>,
}

impl FaultyStore {
    pub(crate) fn new(fault: Option<Fault>) -> Self {
        Self { fault, rows: Mutex::default() }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<String, Row>> {
        self.rows.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn key(&self, handle: Handle) -> String {
        let key = handle.to_string();
        if self.has(Fault::HandlesIgnoreCase) { key.to_lowercase() } else { key }
    }

    fn is_of(&self, row: &Row, subject: &Subject) -> bool {
        let (of, subject) = (row.subject.as_str(), subject.as_str());
        of == subject
            || self.has(Fault::SubjectsIgnoreCase) && of.to_lowercase() == subject.to_lowercase()
            || self.has(Fault::SubjectsByPrefix) && of.starts_with(subject)
    }

    fn end_row(&self, row: &mut Row, reason: EndReason, now: Timestamp) -> bool {
        let spared = self.has(Fault::EndSparesExpired) && now >= row.expires_at();
        if row.ended.is_some() && !self.has(Fault::EndAgain) || spared {
            return false;
        }
        row.ended = Some(Ended::new(reason, now));
        if !self.has(Fault::EndKeepsVersion) {
            row.version += 1;
        }
        true
    }

    /// The row as the faults of `create` leave it.
    fn spoiled(&self, row: &Row) -> Row {
        let mut row = row.clone();
        if self.has(Fault::CreateLosesMilliseconds) {
            row.created_at = Timestamp::from_secs(row.created_at.as_secs());
        }
        if self.has(Fault::CreateTrimsTexts) {
            row.subject = row.subject.as_str().trim().into();
            row.meta.label = row.meta.label.map(|label| label.trim().to_owned());
        }
        if self.has(Fault::CreateCutsAtNul) {
            let end = row.subject.as_str().find('\0').unwrap_or(row.subject.as_str().len());
            row.subject = row.subject.as_str()[..end].into();
        }
        if self.has(Fault::CreateDropsEmptyTexts) {
            row.meta.label = row.meta.label.filter(|label| !label.is_empty());
        }
        row
    }
}

impl SessionStore for FaultyStore {
    async fn create(&self, row: &Row) -> Result<(), StoreError> {
        let row = self.spoiled(row);
        let mut rows = self.rows();
        if let Some(old) = rows.get(&self.key(row.handle)) {
            let ended = self.has(Fault::CreateOverwritesEnded) && old.ended.is_some();
            if !ended && !self.has(Fault::CreateOverwrites) {
                return Err(StoreError::new(StoreErrorKind::AlreadyExists));
            }
        }
        rows.insert(self.key(row.handle), row);
        Ok(())
    }

    async fn load(&self, handle: Handle) -> Result<Option<Row>, StoreError> {
        let hidden = |row: &Row| self.has(Fault::LoadHidesEnded) && row.ended.is_some();
        Ok(self.rows().get(&self.key(handle)).filter(|row| !hidden(row)).cloned())
    }

    async fn compare_and_swap(&self, row: &Row) -> Result<bool, StoreError> {
        let mut rows = self.rows();
        let Some(old) = rows.get_mut(&self.key(row.handle)) else {
            if self.has(Fault::SwapInserts) {
                rows.insert(self.key(row.handle), row.clone());
            }
            return Ok(false);
        };
        let same = old.version == row.version || self.has(Fault::SwapIgnoresVersion);
        if !same || old.ended.is_some() && !self.has(Fault::SwapIgnoresEnd) {
            return Ok(false);
        }
        let mut new = row.clone();
        new.version = old.version + u64::from(!self.has(Fault::SwapKeepsVersion));
        if self.has(Fault::SwapForgetsExpiry) {
            new.idle_expiry = old.idle_expiry;
        }
        *old = new;
        Ok(true)
    }

    async fn end(&self, handle: Handle, reason: EndReason, now: Timestamp) -> Result<bool, StoreError> {
        let mut rows = self.rows();
        if let Some(row) = rows.get_mut(&self.key(handle)) {
            return Ok(self.end_row(row, reason, now));
        }
        if self.has(Fault::EndInserts) {
            let mut row = Row::new(handle, "".into(), now, now, now);
            row.ended = Some(Ended::new(reason, now));
            rows.insert(self.key(handle), row);
        }
        Ok(false)
    }

    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<Handle>,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<Handle>, StoreError> {
        let mut ended = Vec::new();
        for row in self.rows().values_mut().filter(|row| self.is_of(row, subject)) {
            if except == Some(row.handle) && !self.has(Fault::EndSubjectIgnoresException) {
                continue;
            }
            if self.end_row(row, reason, now) || self.has(Fault::EndSubjectReturnsAll) {
                ended.push(row.handle);
            }
        }
        Ok(ended)
    }

    async fn list(&self, subject: &Subject, now: Timestamp) -> Result<Vec<Row>, StoreError> {
        let now =
            if self.has(Fault::ListAtExpiry) { now.saturating_sub(Duration::from_millis(1)) } else { now };
        let mut rows: Vec<_> = self.rows().values().filter(|row| self.is_of(row, subject)).cloned().collect();
        rows.retain(|row| row.is_live(now) || self.has(Fault::ListShowsEnded) && row.ended.is_some());
        rows.sort_by_key(|row| row.created_at);
        if !self.has(Fault::ListOldestFirst) {
            rows.reverse();
        }
        Ok(rows)
    }

    async fn purge_expired(&self, dead_before: Timestamp) -> Result<u64, StoreError> {
        const MOST: usize = 100;
        let dead_since = |row: &Row| {
            if self.has(Fault::PurgeByExpiryOnly) { row.expires_at() } else { row.dead_since() }
        };
        let is_dead = |row: &Row| {
            let at_the_time = self.has(Fault::PurgeAtTheTime) && dead_since(row) == dead_before;
            dead_since(row) < dead_before || at_the_time
        };
        let mut rows = self.rows();
        let dead: Vec<_> = rows.iter().filter(|(_, row)| is_dead(row)).map(|(key, _)| key.clone()).collect();
        let purged = dead.iter().take(MOST).filter_map(|key| rows.remove(key)).count() as u64;
        match self.fault {
            Some(Fault::PurgeStopsEarly) => Ok(0),
            Some(Fault::PurgeNeverZero) => Ok(purged + 1),
            _ => Ok(purged),
        }
    }

    /// Looks at every row again and again.
    async fn watch_ends(&self, since: Timestamp, watcher: &dyn EndWatcher) -> StoreError {
        let mut told = BTreeSet::new();
        let mut rounds = 0;
        poll_fn(|context| {
            for row in self.rows().values() {
                let Some(ended) = row.ended else { continue };
                let early = ended.at < since || self.has(Fault::FeedLeavesOutTheTime) && ended.at == since;
                if early && !self.has(Fault::FeedTellsAll) || !told.insert(row.handle) {
                    continue;
                }
                let silent = self.has(Fault::FeedForgetsThePast) && rounds == 0
                    || self.has(Fault::FeedStops) && rounds > 0;
                let at = if self.has(Fault::FeedTellsWrongTimes) { since } else { ended.at };
                if !silent {
                    watcher.ended(row.handle, at);
                }
            }
            if rounds == 0 {
                watcher.caught_up();
            }
            rounds += 1;
            if rounds > 1000 {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        StoreError::new(StoreErrorKind::Unavailable)
    }
}
