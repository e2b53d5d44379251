//! Which sessions were offered a registration for the second time.
//!
//! A browser that lost the first offer gets one more with the first page that it opens afterwards. Each offer costs a browser with
//! device-bound sessions a key and a signature of its quota, so there must not be one with each page. It is kept in memory, so
//! each server may offer once.

use std::{
    collections::HashSet,
    fmt, mem,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tower_refresh_core::{SessionHandle, SessionRow, Timestamp};

/// When the second offer is made, in seconds after the login: not while the first registration may be on its way.
const EARLIEST: Duration = Duration::from_secs(5);
const LATEST: Duration = Duration::from_secs(120);

/// How many sessions are remembered in each of two consecutive intervals. More are offered nothing.
const MOST: usize = 16_384;

#[derive(Default)]
pub(crate) struct Offers {
    recent: Mutex<Recent>,
}

/// In two sets, so that old sessions are forgotten without a search for them.
#[derive(Default)]
struct Recent {
    since: Duration,
    current: HashSet<SessionHandle>,
    previous: HashSet<SessionHandle>,
}

/// Whether the second offer may be due to a session whose access token was issued at `issued_at`: if the token is the login's.
pub(crate) fn may_second_offer_be_due(issued_at: Timestamp, now: Timestamp) -> bool {
    let age = now.saturating_since(issued_at);
    EARLIEST <= age && age <= LATEST
}

/// Whether the session can be offered a registration. The cookie of a bound session must expire, and one that lives until the
/// browser closes does not.
pub(crate) fn is_offer_possible(row: &SessionRow) -> bool {
    row.persistent && row.binding.is_none()
}

impl Offers {
    /// Whether the second offer is due to the session of `row`, which counts it as made. `monotonic` is the time of a monotonic
    /// clock.
    pub(crate) fn take(&self, row: &SessionRow, now: Timestamp, monotonic: Duration) -> bool {
        if !is_offer_possible(row)
            || !row.is_live(now)
            || row.generation != 0
            || !may_second_offer_be_due(row.rotated_at, now)
        {
            return false;
        }
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if monotonic.saturating_sub(recent.since) > LATEST {
            recent.previous = mem::take(&mut recent.current);
            recent.since = monotonic;
        }
        recent.current.len() < MOST
            && !recent.previous.contains(&row.handle)
            && recent.current.insert(row.handle)
    }
}

impl fmt::Debug for Offers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offers").finish_non_exhaustive()
    }
}
