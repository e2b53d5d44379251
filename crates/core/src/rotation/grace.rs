//! The time after a rotation in which the previous token is accepted like the current one.

use crate::{RotationPolicy, SessionRow, Timestamp};

/// Whether `now` is within the grace. A `rotated_at` in the future, from a server whose clock is ahead, counts as
/// zero seconds ago.
pub(super) fn within_grace(row: &SessionRow, now: Timestamp, policy: &RotationPolicy) -> bool {
    now.saturating_since(row.rotated_at) <= policy.grace
}
