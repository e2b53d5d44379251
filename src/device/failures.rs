//! A short memory of sessions whose device gave a proof that could not be accepted, because the store or the claims source failed.
//!
//! The browser goes on without an access cookie then. The refresh token alone does not authenticate its request, although the user
//! need not log in: the request is answered as during any other failure.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tower_refresh_core::{SessionHandle, Timestamp};

/// The request that waited for the proof arrives within a moment, and those that a user repeats meanwhile.
const REMEMBERED: Duration = Duration::from_secs(10);

/// A power of two. Each place takes about 40 bytes.
const PLACES: usize = 1024;

/// The sessions, each in the place that its handle selects, where it replaces another one.
pub(crate) struct Failures {
    places: Box<[Place]>,
}

type Place = Mutex<Option<(SessionHandle, Timestamp)>>;

impl Failures {
    /// Remembers that a proof of `session` could not be accepted.
    pub(crate) fn remember(&self, session: SessionHandle, now: Timestamp) {
        *self.place(session).lock().unwrap_or_else(PoisonError::into_inner) = Some((session, now));
    }

    /// Whether that was a short time ago. A clock that was set back makes it forget.
    pub(crate) fn has(&self, session: SessionHandle, now: Timestamp) -> bool {
        let place = self.place(session).lock().unwrap_or_else(PoisonError::into_inner);
        place
            .is_some_and(|(failed, at)| failed == session && at <= now && now < at.saturating_add(REMEMBERED))
    }

    /// Handles are parts of a hash.
    fn place(&self, session: SessionHandle) -> &Place {
        let [low, high, ..] = *session.as_bytes();
        &self.places[usize::from(u16::from_le_bytes([low, high])) % PLACES]
    }
}

impl Default for Failures {
    fn default() -> Self {
        Self { places: (0..PLACES).map(|_| Mutex::default()).collect() }
    }
}

impl fmt::Debug for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failures").finish_non_exhaustive()
    }
}
