//! The two times after a rotation that the rules compare with.
//!
//! A `rotated_at` in the future, from a server whose clock is ahead, counts as zero seconds ago.

use crate::{RotationPolicy, SessionRow, Timestamp};

/// Whether the previous token is still accepted like the current one.
pub(super) fn within_grace(row: &SessionRow, now: Timestamp, policy: &RotationPolicy) -> bool {
    now.saturating_since(row.rotated_at) <= policy.grace
}

/// Whether the current token does not rotate yet, and the previous one still authenticates. Both end at the same moment:
/// otherwise a token that was exactly this long in transit could be two generations behind.
pub(super) fn within_damping(row: &SessionRow, now: Timestamp, policy: &RotationPolicy) -> bool {
    now.saturating_since(row.rotated_at) <= policy.damping
}
