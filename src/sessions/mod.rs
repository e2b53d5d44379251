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
};

use tower_refresh_core::{RotationPolicy, SessionHandle, SessionRow, Timestamp};

use self::deliveries::Deliveries;
pub use self::list::SessionPage;
pub(crate) use self::{
    displace::Room,
    follow::follow,
    revocations::{Revocations, Standing},
    store::{DynStore, GuardedStore, random_version},
};
use crate::{assessment::Assessor, claims::ClaimsSource, event::Events, settings::FeedLossPolicy};

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
    /// How often this server has replaced the data of any session.
    data_changes: AtomicU64,
}

impl<C: Send + Sync + 'static> Sessions<C> {
    pub(crate) fn new(
        store: GuardedStore,
        claims: ClaimsSource<C>,
        assessor: Option<Assessor>,
        events: Events,
        policy: RotationPolicy,
        feed_loss_policy: FeedLossPolicy,
    ) -> Self {
        let deliveries = Deliveries::new(policy.grace);
        let revocations = Revocations::new(events.clone(), policy.access_lifetime);
        let data_changes = AtomicU64::new(0);
        Self {
            store,
            claims,
            assessor,
            events,
            policy,
            deliveries,
            feed_loss_policy,
            revocations,
            data_changes,
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

    /// How often this server has replaced the data of any session: a number that tells whether data that were read may be former ones.
    pub(crate) fn data_changes(&self) -> u64 {
        self.data_changes.load(Ordering::Acquire)
    }

    pub(crate) fn count_data_change(&self) {
        self.data_changes.fetch_add(1, Ordering::Release);
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
