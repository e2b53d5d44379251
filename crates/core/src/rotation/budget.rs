//! The late budget: a GCRA (generic cell rate algorithm) whose state is one timestamp of the row.

use std::time::Duration;

use crate::{LateBudget, RotationPolicy, SessionRow, Timestamp};

/// Whether the previous token may obtain its successor once more after the grace period.
pub(super) fn has_left(row: &SessionRow, now: Timestamp, policy: &RotationPolicy) -> bool {
    spend(row, now, policy).is_some()
}

/// The row's `late_budget` after one use, or `None` if no budget is left.
pub(super) fn spend(row: &SessionRow, now: Timestamp, policy: &RotationPolicy) -> Option<Timestamp> {
    match policy.late {
        LateBudget::Unbounded => Some(row.late_budget),
        LateBudget::Limited { burst, refill } => {
            let spent_until = row.late_budget.max(now).saturating_add(refill);
            (spent_until.saturating_since(now) <= capacity(burst, refill)).then_some(spent_until)
        }
    }
}

fn capacity(burst: u32, refill: Duration) -> Duration {
    refill.saturating_mul(burst)
}
