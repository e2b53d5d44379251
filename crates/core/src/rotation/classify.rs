//! The first decision, when a request arrives.

use super::{attempt::Attempt, budget, grace::within_grace};
use crate::{RotationPolicy, SessionRow, Timestamp};

/// The class of a presented refresh token, relative to its session's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenClass {
    /// c0: there is no such session.
    Unknown,
    /// c1: the session has ended.
    Ended,
    /// c2: the session has expired.
    Expired,
    /// c3: the current token.
    Current,
    /// c4: the previous token, within the grace period.
    Previous,
    /// c6: the previous token, after the grace period; the current one was never presented, and late budget is left.
    Late,
    /// c8: a token that an honest client can no longer have. The session is to be ended.
    Reuse,
    /// c9: one generation ahead of the row. The token's MAC is valid, so the store lost a write; [`roll_forward`]
    /// restores it.
    Ahead,
    /// c10: further ahead than one lost write explains. Nothing is to be changed.
    Impossible,
}

impl TokenClass {
    /// Whether the token authenticates the client (for c9, after the row was rolled forward).
    pub const fn is_accepted(self) -> bool {
        matches!(self, Self::Current | Self::Previous | Self::Late | Self::Ahead)
    }

    /// The stable name in events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ended => "ended",
            Self::Expired => "expired",
            Self::Current => "current",
            Self::Previous => "previous",
            Self::Late => "late",
            Self::Reuse => "reuse",
            Self::Ahead => "ahead",
            Self::Impossible => "impossible",
        }
    }
}

/// Classifies the presented token: the first of the rules c0 to c10 that applies.
pub fn classify(attempt: &Attempt<'_>, policy: &RotationPolicy) -> TokenClass {
    let &Attempt { row, denied, generation: presented, now } = attempt;
    let Some(row) = row else { return TokenClass::Unknown };
    if denied || row.ended.is_some() {
        return TokenClass::Ended;
    }
    if !row.is_live(now) {
        return TokenClass::Expired;
    }
    if presented == row.generation {
        return TokenClass::Current;
    }
    if presented > row.generation {
        return if presented - row.generation == 1 { TokenClass::Ahead } else { TokenClass::Impossible };
    }
    if row.generation - presented > 1 {
        return TokenClass::Reuse;
    }
    if within_grace(row, now, policy) {
        return TokenClass::Previous;
    }
    if !row.confirmed && budget::has_left(row, now, policy) {
        return TokenClass::Late;
    }
    TokenClass::Reuse
}

/// The row moved to generation `presented`, for a client whose token is one ahead of the store (c9).
///
/// The write that the store lost was a rotation, and the client has received its token. The generation is therefore
/// confirmed, and counts as reached at `now`, so that the previous token remains accepted for the grace period.
pub fn roll_forward(row: &SessionRow, presented: u32, now: Timestamp) -> SessionRow {
    SessionRow {
        generation: presented.max(row.generation),
        rotated_at: row.rotated_at.max(now),
        confirmed: true,
        ..row.clone()
    }
}
