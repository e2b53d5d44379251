//! The compact form of a row: most sessions have no meta and no data, and share the name of their subject with the index.

use std::{sync::Arc, time::Duration};

use crate::{EndReason, Ended, SessionBinding, SessionHandle, SessionMeta, SessionRow, Subject, Timestamp};

/// A [`SessionRow`] without its handle, which is the key of the map.
pub(super) struct Record {
    pub(super) subject: Arc<str>,
    pub(super) version: u64,
    generation: u32,
    pub(super) claims_epoch: u32,
    confirmed: bool,
    persistent: bool,
    /// Separate from `ended_at`, which is ignored if this is `None`: 8 bytes less than an `Option<Ended>`.
    ended_for: Option<EndReason>,
    ended_at: Timestamp,
    rotated_at: Timestamp,
    late_budget: Timestamp,
    created_at: Timestamp,
    authenticated_at: Timestamp,
    idle: Option<Duration>,
    idle_expiry: Timestamp,
    absolute_expiry: Timestamp,
    extra: Option<Box<Extra>>,
}

struct Extra {
    meta: SessionMeta,
    /// Boxed, because most sessions have none.
    binding: Option<Box<SessionBinding>>,
    data: Box<[u8]>,
}

impl Record {
    pub(super) fn new(row: &SessionRow, subject: Arc<str>) -> Self {
        Self {
            subject,
            version: row.version,
            generation: row.generation,
            claims_epoch: row.claims_epoch,
            confirmed: row.confirmed,
            persistent: row.persistent,
            ended_for: row.ended.map(|ended| ended.reason),
            ended_at: row.ended.map(|ended| ended.at).unwrap_or_default(),
            rotated_at: row.rotated_at,
            late_budget: row.late_budget,
            created_at: row.created_at,
            authenticated_at: row.authenticated_at,
            idle: row.idle,
            idle_expiry: row.idle_expiry,
            absolute_expiry: row.absolute_expiry,
            extra: Extra::of(&row.meta, row),
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
            authenticated_at: self.authenticated_at,
            idle: self.idle,
            idle_expiry: self.idle_expiry,
            absolute_expiry: self.absolute_expiry,
            persistent: self.persistent,
            claims_epoch: self.claims_epoch,
            binding: self.extra.as_ref().and_then(|extra| extra.binding.as_deref().cloned()),
            ended: self.ended_for.map(|reason| Ended::new(reason, self.ended_at)),
            version: self.version,
            meta: self.extra.as_ref().map(|extra| extra.meta.clone()).unwrap_or_default(),
            data: self.extra.as_ref().map(|extra| extra.data.to_vec()).unwrap_or_default(),
        }
    }

    /// Writes the fields that a swap writes.
    pub(super) fn overwrite(&mut self, row: &SessionRow, version: u64) {
        self.generation = row.generation;
        self.rotated_at = row.rotated_at;
        self.confirmed = row.confirmed;
        self.late_budget = row.late_budget;
        self.idle_expiry = row.idle_expiry;
        self.claims_epoch = row.claims_epoch;
        match &mut self.extra {
            Some(extra) => extra.overwrite(row),
            None => self.extra = Extra::of(&SessionMeta::default(), row),
        }
        self.version = version;
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended_for.is_some()
    }

    pub(super) fn ended_at(&self) -> Option<Timestamp> {
        self.ended_for.map(|_| self.ended_at)
    }

    pub(super) fn end(&mut self, ended: Ended, version: u64) {
        self.ended_for = Some(ended.reason);
        self.ended_at = ended.at;
        self.version = version;
    }

    pub(super) fn outdate_claims(&mut self, version: u64) -> u32 {
        self.claims_epoch = self.claims_epoch.saturating_add(1);
        self.version = version;
        self.claims_epoch
    }

    /// Like [`SessionRow::dead_since`].
    pub(super) fn dead_since(&self) -> Timestamp {
        let expires_at = self.idle_expiry.min(self.absolute_expiry);
        if self.is_ended() { self.ended_at.min(expires_at) } else { expires_at }
    }
}

impl Extra {
    /// `None` if the row has none of it.
    fn of(meta: &SessionMeta, row: &SessionRow) -> Option<Box<Self>> {
        let is_empty = *meta == SessionMeta::default() && row.binding.is_none() && row.data.is_empty();
        (!is_empty).then(|| {
            Box::new(Self {
                meta: meta.clone(),
                binding: row.binding.clone().map(Box::new),
                data: row.data.as_slice().into(),
            })
        })
    }

    fn overwrite(&mut self, row: &SessionRow) {
        if self.binding.as_deref() != row.binding.as_ref() {
            self.binding = row.binding.clone().map(Box::new);
        }
        if *self.data != *row.data {
            self.data = row.data.as_slice().into();
        }
    }
}
