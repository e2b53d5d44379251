//! The compact form of a row: most sessions have no label, binding or data, and share their user agent with others.

use std::{net::IpAddr, num::NonZeroU64, sync::Arc, time::Duration};

use crate::{EndReason, Ended, SessionBinding, SessionHandle, SessionMeta, SessionRow, Subject, Timestamp};

/// A [`SessionRow`].
pub(super) struct Record {
    pub(super) handle: SessionHandle,
    /// Shared with the index.
    pub(super) subject: Arc<str>,
    /// Shared with the other sessions of the store.
    pub(super) user_agent: Option<Arc<str>>,
    pub(super) version: u64,
    generation: u32,
    pub(super) claims_epoch: u32,
    /// Where the record is in the order of deaths.
    pub(super) place: u32,
    confirmed: bool,
    persistent: bool,
    /// Separate from `ended_at`, which is ignored if this is `None`: 8 bytes less than an `Option<Ended>`.
    ended_for: Option<EndReason>,
    ip: Option<IpAddr>,
    ended_at: Timestamp,
    rotated_at: Timestamp,
    late_budget: Timestamp,
    created_at: Timestamp,
    authenticated_at: Timestamp,
    /// In milliseconds, and one more: half of an `Option<Duration>`.
    idle: Option<NonZeroU64>,
    idle_expiry: Timestamp,
    absolute_expiry: Timestamp,
    extra: Option<Box<Extra>>,
}

struct Extra {
    label: Option<Box<str>>,
    binding: Option<Box<[u8]>>,
    data: Box<[u8]>,
}

impl Record {
    pub(super) fn new(row: &SessionRow, subject: Arc<str>, user_agent: Option<Arc<str>>) -> Self {
        Self {
            handle: row.handle,
            subject,
            user_agent,
            version: row.version,
            generation: row.generation,
            claims_epoch: row.claims_epoch,
            place: 0,
            confirmed: row.confirmed,
            persistent: row.persistent,
            ended_for: row.ended.map(|ended| ended.reason),
            ip: row.meta.ip,
            ended_at: row.ended.map(|ended| ended.at).unwrap_or_default(),
            rotated_at: row.rotated_at,
            late_budget: row.late_budget,
            created_at: row.created_at,
            authenticated_at: row.authenticated_at,
            idle: row.idle.and_then(one_more),
            idle_expiry: row.idle_expiry,
            absolute_expiry: row.absolute_expiry,
            extra: Extra::of(row.meta.label.as_deref(), row),
        }
    }

    pub(super) fn to_row(&self) -> SessionRow {
        let extra = self.extra.as_deref();
        SessionRow {
            handle: self.handle,
            subject: Subject::from(Arc::clone(&self.subject)),
            generation: self.generation,
            rotated_at: self.rotated_at,
            confirmed: self.confirmed,
            late_budget: self.late_budget,
            created_at: self.created_at,
            authenticated_at: self.authenticated_at,
            idle: self.idle.map(|millis| Duration::from_millis(millis.get() - 1)),
            idle_expiry: self.idle_expiry,
            absolute_expiry: self.absolute_expiry,
            persistent: self.persistent,
            claims_epoch: self.claims_epoch,
            binding: extra.and_then(|extra| extra.binding.as_deref()).map(SessionBinding::from_bytes),
            ended: self.ended_for.map(|reason| Ended::new(reason, self.ended_at)),
            version: self.version,
            meta: SessionMeta {
                user_agent: self.user_agent.as_deref().map(str::to_owned),
                ip: self.ip,
                label: extra.and_then(|extra| extra.label.as_deref()).map(str::to_owned),
            },
            data: extra.map(|extra| extra.data.to_vec()).unwrap_or_default(),
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
            None => self.extra = Extra::of(None, row),
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
    fn of(label: Option<&str>, row: &SessionRow) -> Option<Box<Self>> {
        let is_empty = label.is_none() && row.binding.is_none() && row.data.is_empty();
        (!is_empty).then(|| {
            Box::new(Self {
                label: label.map(Box::from),
                binding: row.binding.as_ref().map(|binding| binding.as_bytes().into()),
                data: row.data.as_slice().into(),
            })
        })
    }

    fn overwrite(&mut self, row: &SessionRow) {
        if self.binding.as_deref() != row.binding.as_ref().map(SessionBinding::as_bytes) {
            self.binding = row.binding.as_ref().map(|binding| binding.as_bytes().into());
        }
        if *self.data != *row.data {
            self.data = row.data.as_slice().into();
        }
    }
}

/// The longest lifetimes, of half a billion years, become a little shorter.
fn one_more(idle: Duration) -> Option<NonZeroU64> {
    NonZeroU64::new(u64::try_from(idle.as_millis()).unwrap_or(u64::MAX).saturating_add(1))
}
