//! Which access tokens do not count although they are valid by themselves, as far as this server knows: those of sessions that
//! have ended, and those with outdated claims.

use std::{fmt, time::Duration};

use tower_refresh_core::{SessionHandle, Timestamp};

use super::{
    denylist::{self, Denied, Denylist},
    feed::Feed,
};
use crate::{clock::MAX_CLOCK_SKEW, event::Events};

pub(crate) struct Revocations {
    pub(super) events: Events,
    pub(super) denylist: Denylist,
    pub(super) feed: Feed,
    access_lifetime: Duration,
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

impl Revocations {
    /// `access_lifetime` is how long an access token is valid at most.
    pub(crate) fn new(events: Events, access_lifetime: Duration) -> Self {
        Self { events, denylist: Denylist::new(), feed: Feed::new(), access_lifetime }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.events.now()
    }

    /// Rejects the access tokens of a session that ended at `at` according to the store, while any of them can be valid.
    pub(super) fn deny_ended(&self, session: SessionHandle, at: Timestamp) {
        let left = self.denied_for().saturating_sub(self.now().saturating_since(at));
        if !left.is_zero() {
            self.denylist.deny(session, Denied::All, left, self.denylist_now());
        }
    }

    pub(super) fn deny(&self, session: SessionHandle, denied: Denied) {
        self.denylist.deny(session, denied, self.denied_for(), self.denylist_now());
    }

    /// Denies access tokens according to the feed. Returns whether there was room to remember it.
    ///
    /// For the full time, whatever the notice says of the time of the end: the wall clock may be wrong, and anyone who can send on
    /// the feed chooses that time.
    #[must_use]
    pub(super) fn deny_reported(&self, session: SessionHandle, denied: Denied) -> bool {
        self.denylist.deny_reported(session, denied, self.denied_for(), self.denylist_now())
    }

    pub(super) fn denylist_now(&self) -> denylist::Now {
        denylist::Now { monotonic: self.events.monotonic(), date: self.now() }
    }

    /// How long after the end of a session, or a change of its roles, an access token from before it may still be unexpired,
    /// whatever the servers' clocks.
    pub(super) fn denied_for(&self) -> Duration {
        self.access_lifetime.saturating_add(MAX_CLOCK_SKEW)
    }

    /// Whether the session has ended.
    #[inline]
    pub(super) fn is_denied(&self, session: SessionHandle) -> bool {
        self.denied(session, || self.now()) == Some(Denied::All)
    }

    /// Whether an access token of the session counts, with claims of this epoch.
    #[inline]
    pub(crate) fn standing(&self, session: SessionHandle, epoch: u32, now: Timestamp) -> Standing {
        match self.denied(session, || now) {
            None => Standing::Good,
            Some(Denied::EpochsBelow(least)) if epoch >= least.get() => Standing::Good,
            Some(Denied::EpochsBelow(_)) => Standing::Outdated,
            Some(Denied::All) => Standing::Ended,
        }
    }

    /// The lowest epoch of claims of the session that are not outdated.
    pub(super) fn least_epoch(&self, session: SessionHandle) -> u32 {
        match self.denied(session, || self.now()) {
            Some(Denied::EpochsBelow(least)) => least.get(),
            Some(Denied::All) | None => 0,
        }
    }

    /// Whether this server learns within moments which sessions other servers end.
    #[inline]
    pub(super) fn is_feed_up(&self) -> bool {
        self.feed.is_up()
    }

    #[inline]
    fn denied(&self, session: SessionHandle, now: impl FnOnce() -> Timestamp) -> Option<Denied> {
        self.denylist.get(session, now, || self.events.monotonic())
    }
}

impl AsRef<Self> for Revocations {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations")
            .field("denylist", &self.denylist)
            .field("feed", &self.feed)
            .finish_non_exhaustive()
    }
}
