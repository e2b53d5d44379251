//! The input of both decisions.

use crate::{SessionRow, Timestamp};

/// One use of a refresh token: the session's row, the presented generation and the time.
///
/// Build a new one for each decision, because the row and the time may have changed since the last one.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Attempt<'a> {
    /// The session's row, or `None` if the store has none.
    pub row: Option<&'a SessionRow>,
    /// Whether the session's handle is in this server's denylist, which counts as ended.
    pub denied: bool,
    /// The generation in the presented token. Its MAC must have been verified.
    pub generation: u32,
    /// The current time.
    pub now: Timestamp,
}

impl<'a> Attempt<'a> {
    /// An attempt to use the token of `generation` at `now`. The session is not in the denylist.
    pub const fn new(row: Option<&'a SessionRow>, generation: u32, now: Timestamp) -> Self {
        Self { row, denied: false, generation, now }
    }

    /// Sets whether the session's handle is in the denylist.
    #[must_use]
    pub const fn with_denied(self, denied: bool) -> Self {
        Self { denied, ..self }
    }
}
