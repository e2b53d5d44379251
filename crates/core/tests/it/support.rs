//! The session and the times that the tests start from.

use std::time::Duration;

use tower_refresh_core::{SessionBinding, SessionHandle, SessionRow, Timestamp};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// When the session reached its generation.
pub(crate) const ROTATED: Timestamp = Timestamp::from_secs(1_700_000_000);

/// A session at generation 5, reached at [`ROTATED`] a day after the login; not confirmed, with a full late budget.
pub(crate) fn row() -> SessionRow {
    let login = ROTATED.saturating_sub(DAY);
    let (idle, absolute) = (ROTATED.saturating_add(DAY * 7), ROTATED.saturating_add(DAY * 29));
    let mut row = SessionRow::new(SessionHandle::from_bytes([7; 16]), "alice".into(), login, idle, absolute);
    row.generation = 5;
    row.rotated_at = ROTATED;
    row.version = 5;
    row.idle = Some(DAY * 7);
    row
}

/// The key of the session's device.
pub(crate) const KEY: &[u8] = b"the key of the device";

/// A binding to [`KEY`] after a proof, with this counter.
pub(crate) fn confirmed(counter: u32) -> SessionBinding {
    SessionBinding::from_bytes([&[1, 1], &counter.to_be_bytes()[..], KEY].concat())
}

/// This session with another binding.
pub(crate) fn with_binding(row: &SessionRow, binding: Option<SessionBinding>) -> SessionRow {
    let mut row = row.clone();
    row.binding = binding;
    row
}
