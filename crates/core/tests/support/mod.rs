//! One session that the tables start from.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::time::Duration;

use tower_refresh_core::{SessionHandle, SessionRow, Timestamp};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// When the session reached its generation.
pub(crate) const ROTATED: Timestamp = Timestamp::from_secs(1_700_000_000);

/// Generation 5, reached at [`ROTATED`], not confirmed, the late budget full, a day after the login.
pub(crate) fn row() -> SessionRow {
    let login = ROTATED.saturating_sub(DAY);
    let (idle, absolute) = (ROTATED.saturating_add(DAY * 7), ROTATED.saturating_add(DAY * 29));
    let mut row = SessionRow::new(SessionHandle::from_bytes([7; 16]), "alice".into(), login, idle, absolute);
    row.generation = 5;
    row.rotated_at = ROTATED;
    row.version = 5;
    row
}
