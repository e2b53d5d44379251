//! The compact form of a row: most sessions have no meta and no data, and share the name of their subject with the index.

use std::sync::Arc;

use crate::{EndReason, Ended, SessionHandle, SessionMeta, SessionRow, Subject, Timestamp};

/// A [`SessionRow`] without its handle, which is the key of the map.
pub(super) struct Record {
    pub(super) subject: Arc<str>,
    pub(super) version: u64,
    generation: u32,
    confirmed: bool,
    /// Separate from `ended_at`, which is ignored if this is `None`: 8 bytes less than an `Option<Ended>`.
    ended_for: Option<EndReason>,
    ended_at: Timestamp,
    rotated_at: Timestamp,
    late_budget: Timestamp,
    created_at: Timestamp,
    idle_expiry: Timestamp,
    absolute_expiry: Timestamp,
    extra: Option<Box<Extra>>,
}

struct Extra {
    meta: SessionMeta,
    data: Box<[u8]>,
}

impl Record {
    pub(super) fn new(row: &SessionRow, subject: Arc<str>) -> Self {
        let has_extra = row.meta != SessionMeta::default() || !row.data.is_empty();
        Self {
            subject,
            version: row.version,
            generation: row.generation,
            confirmed: row.confirmed,
            ended_for: row.ended.map(|ended| ended.reason),
            ended_at: row.ended.map(|ended| ended.at).unwrap_or_default(),
            rotated_at: row.rotated_at,
            late_budget: row.late_budget,
            created_at: row.created_at,
            idle_expiry: row.idle_expiry,
            absolute_expiry: row.absolute_expiry,
            extra: has_extra
                .then(|| Box::new(Extra { meta: row.meta.clone(), data: row.data.as_slice().into() })),
        }
    }

    pub(super) fn to_row(&self, handle: SessionHandle) -> SessionRow {
        SessionRow {
            handle,
            subject: Subject::new(&*self.subject),
            generation: self.generation,
            rotated_at: self.rotated_at,
            confirmed: self.confirmed,
            late_budget: self.late_budget,
            created_at: self.created_at,
            idle_expiry: self.idle_expiry,
            absolute_expiry: self.absolute_expiry,
            ended: self.ended_for.map(|reason| Ended::new(reason, self.ended_at)),
            version: self.version,
            meta: self.extra.as_ref().map(|extra| extra.meta.clone()).unwrap_or_default(),
            data: self.extra.as_ref().map(|extra| extra.data.to_vec()).unwrap_or_default(),
        }
    }

    /// Writes the fields that rotations change, and increments the version.
    pub(super) fn overwrite(&mut self, row: &SessionRow) {
        self.generation = row.generation;
        self.rotated_at = row.rotated_at;
        self.confirmed = row.confirmed;
        self.late_budget = row.late_budget;
        self.idle_expiry = row.idle_expiry;
        self.version = self.version.wrapping_add(1);
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended_for.is_some()
    }

    pub(super) fn ended_at(&self) -> Option<Timestamp> {
        self.ended_for.map(|_| self.ended_at)
    }

    pub(super) fn end(&mut self, reason: EndReason, now: Timestamp) {
        self.ended_for = Some(reason);
        self.ended_at = now;
        self.version = self.version.wrapping_add(1);
    }

    /// Like [`SessionRow::dead_since`].
    pub(super) fn dead_since(&self) -> Timestamp {
        let expires_at = self.idle_expiry.min(self.absolute_expiry);
        if self.is_ended() { self.ended_at.min(expires_at) } else { expires_at }
    }
}
