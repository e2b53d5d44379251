//! A shard of the rows, ordered by the time at which they end or expire.

use std::{collections::HashMap, sync::Arc};

use super::{deaths::Deaths, hashes::HandleHasher, indexed::Indexed, notices::Notice, record::Record};
use crate::{Ended, SessionHandle, SessionRow, Timestamp};

/// Has an entry in `deaths` for each row, at the row's `dead_since`.
pub(super) struct Shard {
    hasher: HandleHasher,
    rows: Indexed<Record>,
    deaths: Deaths,
    /// When the claims of a session were outdated, by the clock that was ahead. Few sessions have an entry, so it is not in the
    /// record. The entry is removed when the session ends, or with its row.
    outdated_at: HashMap<SessionHandle, Timestamp>,
}

impl Shard {
    pub(super) fn new(hasher: HandleHasher) -> Self {
        Self { hasher, rows: Indexed::default(), deaths: Deaths::default(), outdated_at: HashMap::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the session exists, belongs to `subject` and has not ended. It may have expired.
    pub(super) fn is_active(&self, handle: SessionHandle, subject: &str) -> bool {
        self.find(handle).is_some_and(|number| {
            let record = &self.rows[number];
            !record.is_ended() && *record.subject == *subject
        })
    }

    pub(super) fn get(&self, handle: SessionHandle) -> Option<SessionRow> {
        self.find(handle).map(|number| self.rows[number].to_row())
    }

    /// Whether there is a row with this handle.
    pub(super) fn contains(&self, handle: SessionHandle) -> bool {
        self.find(handle).is_some()
    }

    pub(super) fn has_version(&self, handle: SessionHandle, version: u64) -> bool {
        self.find(handle).is_some_and(|number| self.rows[number].version == version)
    }

    /// Adds a row. There is none with its handle.
    pub(super) fn insert(&mut self, record: Record) {
        let number = self.rows.push(self.hasher.place(record.handle).hash, record);
        self.deaths.insert(number, &mut self.rows);
    }

    pub(super) fn swap(&mut self, row: &SessionRow, version: u64) -> bool {
        self.update(row.handle, |record| {
            let fits = !record.is_ended() && record.version == row.version;
            fits.then(|| record.overwrite(row, version))
        })
        .is_some()
    }

    /// Ends the session unless it has ended, and only if it belongs to `only`, if given. Returns its subject.
    pub(super) fn end(
        &mut self,
        handle: SessionHandle,
        only: Option<&str>,
        ended: Ended,
        version: u64,
    ) -> Option<Arc<str>> {
        let subject = self.update(handle, |record| {
            if record.is_ended() || only.is_some_and(|subject| *subject != *record.subject) {
                return None;
            }
            record.end(ended, version);
            Some(Arc::clone(&record.subject))
        })?;
        self.outdated_at.remove(&handle);
        Some(subject)
    }

    /// Adds one to the claims epoch of a session that has not ended. Returns the new epoch.
    pub(super) fn outdate_claims(
        &mut self,
        handle: SessionHandle,
        now: Timestamp,
        version: u64,
    ) -> Option<u32> {
        let number = self.find(handle).filter(|&number| !self.rows[number].is_ended())?;
        let outdated_at = self.outdated_at.entry(handle).or_default();
        *outdated_at = now.max(*outdated_at);
        Some(self.rows[number].outdate_claims(version))
    }

    /// Removes at most `limit` rows of sessions that ended or expired before `dead_before`, the oldest first.
    pub(super) fn purge(&mut self, dead_before: Timestamp, limit: usize) -> Vec<Record> {
        let mut removed = Vec::new();
        while removed.len() < limit {
            let first = self.deaths.first();
            let Some(number) = first.filter(|&number| self.rows[number].dead_since() < dead_before) else {
                break;
            };
            removed.extend(self.remove(number));
        }
        removed
    }

    pub(super) fn notices_since(&self, since: Timestamp) -> Vec<Notice> {
        let ended = self.rows.iter().filter_map(|record| {
            let at = record.ended_at().filter(|at| *at >= since)?;
            Some(Notice::Ended(record.handle, at))
        });
        let outdated = self.outdated_at.iter().filter(|(_, at)| **at >= since).filter_map(|(handle, _)| {
            Some(Notice::Outdated(*handle, self.rows[self.find(*handle)?].claims_epoch))
        });
        ended.chain(outdated).collect()
    }

    fn find(&self, handle: SessionHandle) -> Option<u32> {
        self.rows.find(self.hasher.place(handle).hash, |record| record.handle == handle)
    }

    fn update<T>(
        &mut self,
        handle: SessionHandle,
        change: impl FnOnce(&mut Record) -> Option<T>,
    ) -> Option<T> {
        let number = self.find(handle)?;
        let before = self.rows[number].dead_since();
        let changed = change(&mut self.rows[number])?;
        if self.rows[number].dead_since() != before {
            self.deaths.update(number, &mut self.rows);
        }
        Some(changed)
    }

    fn remove(&mut self, number: u32) -> Option<Record> {
        self.deaths.remove(number, &mut self.rows);
        let hasher = self.hasher;
        let removed = self.rows.swap_remove(number, |record| hasher.place(record.handle).hash)?;
        if (number as usize) < self.rows.len() {
            self.deaths.renumber(number, &self.rows);
        }
        self.outdated_at.remove(&removed.handle);
        Some(removed)
    }
}
