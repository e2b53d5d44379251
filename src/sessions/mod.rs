//! The sessions of an application: how they are loaded, ended and denied.

mod deliveries;
mod denylist;
mod displace;
mod end;
mod feed;
mod follow;
mod list;
mod reload;
mod revocations;
mod spawn;
mod store;

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tower_refresh_core::{
    RotationPolicy, SessionBinding, SessionHandle, SessionRow, Timestamp,
    rotation::{Attempt, DeviceProof},
};

use self::deliveries::Deliveries;
pub use self::list::SessionPage;
pub(crate) use self::{
    displace::Room,
    follow::follow,
    revocations::{Revocations, Standing},
    store::{DynStore, GuardedStore, random_version},
};
use crate::{
    assessment::Assessor,
    claims::ClaimsSource,
    device::Failures,
    event::Events,
    refresh_token::RefreshToken,
    settings::{DeviceBinding, FeedLossPolicy},
};

/// For how long the requests of a page may come: what this server has read or written so recently is not read again where that changes
/// nothing.
pub(crate) const RECENT: Duration = Duration::from_secs(1);

/// When a row was read or written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// By the monotonic clock.
    pub(crate) at: Duration,
    row_changes: u64,
}

pub(crate) struct Sessions<C> {
    pub(crate) store: GuardedStore,
    pub(crate) claims: ClaimsSource<C>,
    /// `None` if the application assesses no refreshes.
    pub(crate) assessor: Option<Assessor>,
    pub(crate) events: Events,
    pub(crate) policy: RotationPolicy,
    pub(crate) deliveries: Deliveries,
    feed_loss_policy: FeedLossPolicy,
    revocations: Revocations,
    /// `None` if sessions are not bound to devices.
    device_binding: Option<DeviceBinding>,
    pub(crate) device_failures: Failures,
    /// How often this server has changed any session in another way than by a rotation.
    row_changes: AtomicU64,
}

impl<C: Send + Sync + 'static> Sessions<C> {
    pub(crate) fn new(
        store: GuardedStore,
        claims: ClaimsSource<C>,
        assessor: Option<Assessor>,
        events: Events,
        policy: RotationPolicy,
        feed_loss_policy: FeedLossPolicy,
        device_binding: Option<DeviceBinding>,
    ) -> Self {
        let deliveries = Deliveries::new(policy.grace);
        let revocations = Revocations::new(events.clone(), policy.access_lifetime);
        Self {
            store,
            claims,
            assessor,
            events,
            policy,
            deliveries,
            feed_loss_policy,
            revocations,
            device_binding,
            device_failures: Failures::default(),
            row_changes: AtomicU64::new(0),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.events.now()
    }

    /// Rejects the access tokens of a session that ended at `at` according to the store, while any of them can be valid.
    pub(crate) fn deny_ended(&self, session: SessionHandle, at: Timestamp) {
        self.revocations.deny_ended(session, at);
    }

    /// Whether the session has ended, as far as this server knows.
    #[inline]
    pub(crate) fn is_denied(&self, session: SessionHandle) -> bool {
        self.revocations.is_denied(session)
    }

    /// Whether an access token of the session counts, with claims of this epoch, as far as this server knows.
    #[inline]
    pub(crate) fn standing(&self, session: SessionHandle, epoch: u32, now: Timestamp) -> Standing {
        self.revocations.standing(session, epoch, now)
    }

    /// The lowest epoch of claims of the session that are not outdated, as far as this server knows.
    pub(crate) fn least_epoch(&self, session: SessionHandle) -> u32 {
        self.revocations.least_epoch(session)
    }

    /// The epoch in which claims that are loaded now for the session of `row` count. The row may be older than a notice, and a
    /// store may have lost the write that the notice is about.
    pub(crate) fn epoch_of(&self, row: &SessionRow) -> u32 {
        row.claims_epoch.max(self.least_epoch(row.handle))
    }

    /// The use of `token`, without a proof of the device, in the session of `row` at `now`.
    pub(crate) fn attempt<'a>(
        &self,
        row: Option<&'a SessionRow>,
        token: &RefreshToken,
        now: Timestamp,
    ) -> Attempt<'a> {
        let denied = self.is_denied(token.handle);
        let is_required = self.enforces_device_binding();
        let proof = if is_required { DeviceProof::Missing } else { DeviceProof::NotRequired };
        Attempt::new(row, token.generation, now).with_denied(denied).with_proof(proof)
    }

    /// Whether a session that is bound to a device requires its proofs.
    pub(crate) fn enforces_device_binding(&self) -> bool {
        self.device_binding == Some(DeviceBinding::Enforce)
    }

    /// Whether a refresh token without a proof of the device is only reported, in the session of `row`.
    pub(crate) fn only_reports_unproven(&self, row: &SessionRow) -> bool {
        self.device_binding == Some(DeviceBinding::Observe)
            && row.binding.as_ref().is_some_and(SessionBinding::is_confirmed)
    }

    /// To be taken before the row is read or written.
    pub(crate) fn reading(&self) -> Reading {
        let row_changes = self.row_changes.load(Ordering::Acquire);
        Reading { at: self.events.monotonic(), row_changes }
    }

    /// Whether this server has changed no session since, in another way than by a rotation: otherwise a row that was read may be a
    /// former one.
    pub(crate) fn is_unchanged_since(&self, reading: Reading) -> bool {
        reading.row_changes == self.row_changes.load(Ordering::Acquire)
    }

    /// Whether the tokens of the generation in `row` may be sent again to a request that has read it, without asking the store once more.
    ///
    /// For a moment. Within the grace period no other server can have rotated the session meanwhile. It may have ended it, of which this
    /// server must hear; or a first proof of the device may have reached it, of which it would not.
    pub(crate) fn is_recent(&self, row: &SessionRow, reading: Reading) -> bool {
        if let Some(has_version) = self.store.has_version(row.handle, row.version) {
            return has_version;
        }
        let age = self.events.monotonic().checked_sub(reading.at);
        age.is_some_and(|age| age < RECENT)
            && self.revocations.is_feed_up()
            && self.is_unchanged_since(reading)
            && row.binding.is_none()
            && !self.enforces_device_binding()
    }

    /// Counts a write of the data of a session or of its binding to a device, also one that may have failed.
    pub(crate) fn count_row_change(&self) {
        self.row_changes.fetch_add(1, Ordering::Release);
    }

    /// Whether the store must be asked even about the session of a valid access token.
    #[inline]
    pub(crate) fn must_ask_store(&self) -> bool {
        self.feed_loss_policy == FeedLossPolicy::AskStore && !self.revocations.is_feed_up()
    }
}

impl<C> AsRef<Revocations> for Sessions<C> {
    fn as_ref(&self) -> &Revocations {
        &self.revocations
    }
}

impl<C> fmt::Debug for Sessions<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("store", &self.store)
            .field("revocations", &self.revocations)
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}
