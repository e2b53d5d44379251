//! The first decision, when a request arrives.

use super::{
    attempt::{Attempt, DeviceProof},
    budget,
    elapsed::{within_damping, within_grace},
};
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
    /// The session is bound to a device, the binding is confirmed and enforced, and the request has no proof of the device. This
    /// rule comes after c2 and before c3: whatever the generation, the request is anonymous, and nothing is to be changed.
    Unproven,
    /// c3: the current token.
    Current,
    /// c4: the previous token, within the grace period.
    Previous,
    /// c5: the previous token, after the grace period and within the damping interval. It authenticates like
    /// [`Previous`](Self::Previous). If every request completes its transit within the grace period, a response was lost, so
    /// [`commit`](super::commit) sends the successor only from the late budget.
    Overdue,
    /// c6: the previous token, after the damping interval; the current one was never presented, and late budget is left.
    Late,
    /// c7: the previous token, after the damping interval; the current one was never presented, and no late budget is left.
    /// Lost responses alone lead to this, so there need not be two copies: the request is anonymous, and nothing is to be
    /// changed. [`RotationPolicy::end_when_spent`] makes it [`Reuse`](Self::Reuse).
    Spent,
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
        matches!(self, Self::Current | Self::Previous | Self::Overdue | Self::Late | Self::Ahead)
    }

    /// Whether the token authenticates a navigation that another site started.
    ///
    /// Any site can start navigations, as often as it wants, and discard their responses. Nothing is therefore written for
    /// one, and [`Late`](Self::Late) does not authenticate it, because late budget could not be spent.
    /// [`Ahead`](Self::Ahead) authenticates it without [`roll_forward`].
    pub const fn is_accepted_from_elsewhere(self) -> bool {
        matches!(self, Self::Current | Self::Previous | Self::Overdue | Self::Ahead)
    }

    /// The stable name in events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ended => "ended",
            Self::Expired => "expired",
            Self::Unproven => "unproven",
            Self::Current => "current",
            Self::Previous => "previous",
            Self::Overdue => "overdue",
            Self::Late => "late",
            Self::Spent => "spent",
            Self::Reuse => "reuse",
            Self::Ahead => "ahead",
            Self::Impossible => "impossible",
        }
    }
}

/// Classifies the presented token: the first of the rules c0 to c10 that applies, and [`Unproven`](TokenClass::Unproven) after c2.
pub fn classify(attempt: &Attempt<'_>, policy: &RotationPolicy) -> TokenClass {
    let &Attempt { row, denied, generation: presented, proof, now } = attempt;
    let Some(row) = row else { return TokenClass::Unknown };
    if denied || row.ended.is_some() {
        return TokenClass::Ended;
    }
    if !row.is_live(now) {
        return TokenClass::Expired;
    }
    if attempt.lacks_proof() {
        return TokenClass::Unproven;
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
    if within_damping(row, now, policy) {
        return TokenClass::Overdue;
    }
    if row.confirmed {
        return TokenClass::Reuse;
    }
    if proof == DeviceProof::Given || budget::has_left(row, now, policy) {
        return TokenClass::Late;
    }
    if policy.end_when_spent { TokenClass::Reuse } else { TokenClass::Spent }
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
