//! The first decision, when a request arrives.

use super::budget;
use crate::{RotationPolicy, SessionRow, Timestamp};

/// What a presented refresh token is, seen from its session's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenClass {
    /// c0: there is no such session.
    Unknown,
    /// c1: the session was ended.
    Ended,
    /// c2: the session expired.
    Expired,
    /// c3: the newest token.
    Current,
    /// c4: the one before, within the grace.
    Previous,
    /// c5: the one before, after the grace, its successor never seen, and late budget left.
    Late,
    /// c6: a token that an honest client cannot still hold. The session is to be ended.
    Reuse,
    /// c8: one generation ahead. We signed it, so the store lost a write; [`roll_forward`] mends it.
    Ahead,
    /// c9: further ahead than one lost write explains. Nothing is to be changed.
    Impossible,
}

impl TokenClass {
    /// Whether the client is authenticated by it (c8 once the row was rolled forward).
    pub const fn is_accepted(self) -> bool {
        matches!(self, Self::Current | Self::Previous | Self::Late | Self::Ahead)
    }

    /// The stable name that events and metrics show.
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

/// Tells what generation `presented` is, by the rules c0 to c9 in their order.
///
/// `denied` says that the session's handle is in the denylist of this server, which counts as ended.
pub fn classify(
    row: Option<&SessionRow>,
    denied: bool,
    presented: u32,
    now: Timestamp,
    policy: &RotationPolicy,
) -> TokenClass {
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

/// The row with generation `presented`, which a client holds although the store knows only the one before (c8).
///
/// The write that the store lost was a rotation, and the client has its token: so the generation is confirmed, and
/// counts as reached just now, which keeps the one before good for the grace.
pub fn roll_forward(row: &SessionRow, presented: u32, now: Timestamp) -> SessionRow {
    SessionRow {
        generation: presented.max(row.generation),
        rotated_at: row.rotated_at.max(now),
        confirmed: true,
        ..row.clone()
    }
}

/// Whether the previous token is still as good as the current one. A `rotated_at` in the future, from a server whose
/// clock runs ahead, counts as just now.
pub(super) fn within_grace(row: &SessionRow, now: Timestamp, policy: &RotationPolicy) -> bool {
    now.saturating_since(row.rotated_at) <= policy.grace
}
