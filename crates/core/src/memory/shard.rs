//! A shard of the rows, ordered by the time at which they end or expire.

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    sync::Arc,
};

use super::{notices::Notice, record::Record};
use crate::{Ended, SessionHandle, SessionRow, Timestamp};

/// Has an entry in `deaths` for each row, at the row's `dead_since`.
#[derive(Default)]
pub(super) struct Shard {
    rows: HashMap<SessionHandle, Box<Record>>,
    deaths: BTreeSet<(Timestamp, SessionHandle)>,
    /// When the claims of a session were outdated, by the clock that was ahead. Few sessions have an entry, so it is not in the
    /// record. The entry is removed when the session ends, or with its row.
    outdated_at: HashMap<SessionHandle, Timestamp>,
}

impl Shard {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the session exists, belongs to `subject` and has not ended. It may have expired.
    pub(super) fn is_active(&self, handle: SessionHandle, subject: &str) -> bool {
        self.rows.get(&handle).is_some_and(|record| !record.is_ended() && *record.subject == *subject)
    }

    pub(super) fn get(&self, handle: SessionHandle) -> Option<SessionRow> {
        self.rows.get(&handle).map(|record| record.to_row(handle))
    }

    /// Returns whether the handle was free.
    pub(super) fn insert(&mut self, row: &SessionRow, subject: Arc<str>) -> bool {
        let Entry::Vacant(slot) = self.rows.entry(row.handle) else { return false };
        let record = slot.insert(Box::new(Record::new(row, subject)));
        self.deaths.insert((record.dead_since(), row.handle));
        true
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
        let record = self.rows.get_mut(&handle).filter(|record| !record.is_ended())?;
        let outdated_at = self.outdated_at.entry(handle).or_default();
        *outdated_at = now.max(*outdated_at);
        Some(record.outdate_claims(version))
    }

    /// Removes at most `limit` rows of sessions that ended or expired before `dead_before`, the oldest first.
    pub(super) fn purge(&mut self, dead_before: Timestamp, limit: usize) -> Vec<(SessionHandle, Arc<str>)> {
        let mut removed = Vec::new();
        while removed.len() < limit {
            let Some(&(dead_since, handle)) = self.deaths.first() else { break };
            if dead_since >= dead_before {
                break;
            }
            self.deaths.pop_first();
            self.outdated_at.remove(&handle);
            if let Some(record) = self.rows.remove(&handle) {
                removed.push((handle, record.subject));
            }
        }
        removed
    }

    pub(super) fn notices_since(&self, since: Timestamp) -> Vec<Notice> {
        let ended = self.rows.iter().filter_map(|(handle, record)| {
            let at = record.ended_at().filter(|at| *at >= since)?;
            Some(Notice::Ended(*handle, at))
        });
        let outdated =
            self.outdated_at.iter().filter(|(_, at)| **at >= since).filter_map(|(handle, _)| {
                Some(Notice::Outdated(*handle, self.rows.get(handle)?.claims_epoch))
            });
        ended.chain(outdated).collect()
    }

    fn update<T>(
        &mut self,
        handle: SessionHandle,
        change: impl FnOnce(&mut Record) -> Option<T>,
    ) -> Option<T> {
        let record = self.rows.get_mut(&handle)?;
        let before = record.dead_since();
        let changed = change(record)?;
        let after = record.dead_since();
        if after != before {
            self.deaths.remove(&(before, handle));
            self.deaths.insert((after, handle));
        }
        Some(changed)
    }
}
