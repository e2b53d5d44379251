//! A row in little space: most sessions have no meta and no data, and share their subject's name with the index.

use std::sync::Arc;

use crate::{Ended, Handle, Meta, Row, Subject, Timestamp};

/// A [`Row`] without its handle, which is the key it is found by.
pub(super) struct Record {
    pub(super) subject: Arc<str>,
    pub(super) ended: Option<Ended>,
    pub(super) version: u64,
    generation: u32,
    confirmed: bool,
    rotated_at: Timestamp,
    late_budget: Timestamp,
    created_at: Timestamp,
    idle_expiry: Timestamp,
    absolute_expiry: Timestamp,
    extra: Option<Box<Extra>>,
}

struct Extra {
    meta: Meta,
    data: Box<[u8]>,
}

impl Record {
    pub(super) fn new(row: &Row, subject: Arc<str>) -> Self {
        let has_extra = row.meta != Meta::default() || !row.data.is_empty();
        Self {
            subject,
            ended: row.ended,
            version: row.version,
            generation: row.generation,
            confirmed: row.confirmed,
            rotated_at: row.rotated_at,
            late_budget: row.late_budget,
            created_at: row.created_at,
            idle_expiry: row.idle_expiry,
            absolute_expiry: row.absolute_expiry,
            extra: has_extra
                .then(|| Box::new(Extra { meta: row.meta.clone(), data: row.data.as_slice().into() })),
        }
    }

    pub(super) fn to_row(&self, handle: Handle) -> Row {
        Row {
            handle,
            subject: Subject::new(&*self.subject),
            generation: self.generation,
            rotated_at: self.rotated_at,
            confirmed: self.confirmed,
            late_budget: self.late_budget,
            created_at: self.created_at,
            idle_expiry: self.idle_expiry,
            absolute_expiry: self.absolute_expiry,
            ended: self.ended,
            version: self.version,
            meta: self.extra.as_ref().map(|extra| extra.meta.clone()).unwrap_or_default(),
            data: self.extra.as_ref().map(|extra| extra.data.to_vec()).unwrap_or_default(),
        }
    }

    /// Takes over what rotations change, and counts the write.
    pub(super) fn overwrite(&mut self, row: &Row) {
        self.generation = row.generation;
        self.rotated_at = row.rotated_at;
        self.confirmed = row.confirmed;
        self.late_budget = row.late_budget;
        self.idle_expiry = row.idle_expiry;
        self.version = self.version.wrapping_add(1);
    }

    pub(super) fn end(&mut self, ended: Ended) {
        self.ended = Some(ended);
        self.version = self.version.wrapping_add(1);
    }

    /// As [`Row::dead_since`].
    pub(super) fn dead_since(&self) -> Timestamp {
        let expires_at = self.idle_expiry.min(self.absolute_expiry);
        self.ended.map_or(expires_at, |ended| ended.at.min(expires_at))
    }
}
