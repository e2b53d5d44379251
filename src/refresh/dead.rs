//! A short memory of sessions that are over, so that a client that keeps presenting their tokens does not cost a load each time.
//!
//! A page that only uses `fetch` keeps its useless cookies: they are removed by a logout and by navigations, and by nothing else,
//! since a removal could overtake a login in another tab.
//!
//! Only an answer that cannot change is remembered, for every generation alike:
//!
//! - The session has ended, according to its row. Nothing revives an ended row.
//! - It has expired, for longer than the clocks of servers may differ. Until then a server whose clock is behind may still extend it.
//! - It does not exist. A refresh token is sent after the store has acknowledged its row, stores answer as their primary does, and no
//!   removed row is inserted again.
//!
//! None of them raises an event, so none is suppressed. Reuse is not remembered: it ends the session, and the next load finds that.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tower_refresh_core::{SessionHandle, SessionRow, Timestamp};

use super::inactive::Inactive;
use crate::clock::MAX_CLOCK_SKEW;

/// A page's requests and their repetitions take less. If an operator restores a row, its user waits no longer than this.
const REMEMBERED: Duration = Duration::from_secs(10);

/// A power of two. Each place takes about 50 bytes.
const PLACES: usize = 1024;

/// The sessions found to be over, each in the place that its handle selects, where it replaces another one.
pub(super) struct DeadSessions {
    places: Box<[Mutex<Option<Entry>>]>,
}

struct Entry {
    session: SessionHandle,
    inactive: Inactive,
    found_at: Timestamp,
}

impl DeadSessions {
    pub(super) fn new() -> Self {
        Self { places: (0..PLACES).map(|_| Mutex::default()).collect() }
    }

    /// Why the tokens of `session` do not authenticate, if that was found a short time ago. A clock that was set back makes it
    /// forget.
    pub(super) fn find(&self, session: SessionHandle, now: Timestamp) -> Option<Inactive> {
        let place = self.place(session).lock().unwrap_or_else(PoisonError::into_inner);
        let entry = place.as_ref().filter(|entry| entry.session == session)?;
        let is_recent = entry.found_at <= now && now < entry.found_at.saturating_add(REMEMBERED);
        is_recent.then_some(entry.inactive)
    }

    /// Why the tokens of the session, which has this row or none, do not authenticate; remembered if that cannot change.
    pub(super) fn remember_if_final(
        &self,
        session: SessionHandle,
        row: Option<&SessionRow>,
        now: Timestamp,
    ) -> Inactive {
        let inactive = row.map_or(Inactive::TokenRejected, |row| Inactive::of(row, now));
        if row.is_none_or(|row| is_over_for_good(row, now)) {
            let entry = Entry { session, inactive, found_at: now };
            *self.place(session).lock().unwrap_or_else(PoisonError::into_inner) = Some(entry);
        }
        inactive
    }

    /// Handles are parts of a hash.
    fn place(&self, session: SessionHandle) -> &Mutex<Option<Entry>> {
        let [low, high, ..] = *session.as_bytes();
        &self.places[usize::from(u16::from_le_bytes([low, high])) % PLACES]
    }
}

fn is_over_for_good(row: &SessionRow, now: Timestamp) -> bool {
    row.ended.is_some() || !row.is_live(now.saturating_sub(MAX_CLOCK_SKEW))
}

impl fmt::Debug for DeadSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadSessions").finish_non_exhaustive()
    }
}
