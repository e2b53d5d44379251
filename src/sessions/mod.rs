//! The sessions of an application: how they are loaded, ended and denied.

mod deliveries;
mod denylist;
mod displace;
mod end;
mod feed;
mod follow;
mod list;
mod reload;
mod spawn;
mod store;

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tower_refresh_core::{RotationPolicy, SessionHandle, SessionRow, Timestamp};

pub use self::list::SessionPage;
use self::{
    deliveries::Deliveries,
    denylist::{Denied, Denylist},
    feed::Feed,
};
pub(crate) use self::{
    displace::Room,
    follow::follow,
    store::{DynStore, GuardedStore, random_version},
};
use crate::{
    assessment::Assessor, claims::ClaimsSource, clock::MAX_CLOCK_SKEW, event::Events,
    settings::FeedLossPolicy,
};

pub(crate) struct Sessions<C> {
    pub(crate) store: GuardedStore,
    pub(crate) claims: ClaimsSource<C>,
    /// `None` if the application assesses no refreshes.
    pub(crate) assessor: Option<Assessor>,
    pub(crate) events: Events,
    pub(crate) policy: RotationPolicy,
    pub(crate) deliveries: Deliveries,
    feed_loss_policy: FeedLossPolicy,
    denylist: Denylist,
    feed: Feed,
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
        let (denylist, feed, data_changes) = (Denylist::new(), Feed::new(), AtomicU64::new(0));
        Self {
            store,
            claims,
            assessor,
            events,
            policy,
            deliveries,
            feed_loss_policy,
            denylist,
            feed,
            data_changes,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.events.now()
    }

    /// Rejects the access tokens of a session that ended at `at` according to the store, while any of them can be valid.
    pub(crate) fn deny_ended(&self, session: SessionHandle, at: Timestamp) {
        let left = self.denied_for().saturating_sub(self.now().saturating_since(at));
        if !left.is_zero() {
            self.denylist.deny(session, Denied::All, left, self.denylist_now());
        }
    }

    fn deny(&self, session: SessionHandle) {
        self.denylist.deny(session, Denied::All, self.denied_for(), self.denylist_now());
    }

    /// Denies access tokens according to the feed. Returns whether there was room to remember it.
    ///
    /// For the full time, whatever the notice says of the time of the end: the wall clock may be wrong, and anyone who can send on
    /// the feed chooses that time.
    #[must_use]
    fn deny_reported(&self, session: SessionHandle, denied: Denied) -> bool {
        self.denylist.deny_reported(session, denied, self.denied_for(), self.denylist_now())
    }

    fn denylist_now(&self) -> denylist::Now {
        denylist::Now { monotonic: self.events.monotonic(), date: self.now() }
    }

    /// How long after the end of a session, or a change of its roles, an access token from before it may still be unexpired,
    /// whatever the servers' clocks.
    fn denied_for(&self) -> Duration {
        self.policy.access_lifetime + MAX_CLOCK_SKEW
    }

    /// Whether the session has ended, as far as this server knows.
    #[inline]
    pub(crate) fn is_denied(&self, session: SessionHandle) -> bool {
        self.denied(session, || self.now()) == Some(Denied::All)
    }

    /// Whether an access token of the session counts, with claims of this epoch, as far as this server knows.
    #[inline]
    pub(crate) fn standing(&self, session: SessionHandle, epoch: u32, now: Timestamp) -> Standing {
        match self.denied(session, || now) {
            None => Standing::Good,
            Some(Denied::EpochsBelow(least)) if epoch >= least.get() => Standing::Good,
            Some(Denied::EpochsBelow(_)) => Standing::Outdated,
            Some(Denied::All) => Standing::Ended,
        }
    }

    /// The lowest epoch of claims of the session that are not outdated, as far as this server knows.
    pub(crate) fn least_epoch(&self, session: SessionHandle) -> u32 {
        match self.denied(session, || self.now()) {
            Some(Denied::EpochsBelow(least)) => least.get(),
            Some(Denied::All) | None => 0,
        }
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

    #[inline]
    fn denied(&self, session: SessionHandle, now: impl FnOnce() -> Timestamp) -> Option<Denied> {
        self.denylist.get(session, now, || self.events.monotonic())
    }

    /// Whether the store must be asked even about the session of a valid access token.
    #[inline]
    pub(crate) fn must_ask_store(&self) -> bool {
        self.feed_loss_policy == FeedLossPolicy::AskStore && !self.feed.is_up()
    }
}

/// Whether an access token counts that is valid by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Good,
    /// Its claims are outdated: it counts as expired.
    Outdated,
    /// Its session has ended.
    Ended,
}

impl<C> fmt::Debug for Sessions<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("store", &self.store)
            .field("denylist", &self.denylist)
            .field("feed", &self.feed)
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}
