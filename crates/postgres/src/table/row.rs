//! Conversion between a session and the table's columns.

use std::{error::Error, time::Duration};

use tokio_postgres::{Row as Columns, types::FromSql};
use tower_refresh_core::{
    EndReason, Ended, SessionBinding, SessionHandle, SessionMeta, SessionRow, StoreError, StoreErrorKind,
    Timestamp,
};

/// The columns that [`read`] expects, in this order.
pub(crate) const COLUMNS: &str = "handle, subject, generation, rotated_at, confirmed, late_budget, created_at, \
     idle_expiry, absolute_expiry, ended_reason, ended_at, version, user_agent, ip, label, data, authenticated_at, idle, \
     persistent, claims_epoch, binding";

/// Converts a number to the signed type of a column. A number out of range is an error and never wraps.
pub(crate) fn number(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|error| StoreError::with_source(StoreErrorKind::Unavailable, error))
}

/// As [`number`], for a time in milliseconds.
pub(crate) fn millis(at: Timestamp) -> Result<i64, StoreError> {
    number(at.as_millis())
}

/// As [`number`], for a duration in whole milliseconds.
pub(crate) fn duration(duration: Duration) -> Result<i64, StoreError> {
    i64::try_from(duration.as_millis())
        .map_err(|error| StoreError::with_source(StoreErrorKind::Unavailable, error))
}

/// Reads a row that was queried with [`COLUMNS`].
pub(crate) fn read(columns: &Columns) -> Result<SessionRow, StoreError> {
    let time = |index| read_time(columns, index);
    let subject: String = read_column(columns, 1)?;
    let mut row = SessionRow::new(read_handle(columns, 0)?, subject.into(), time(6)?, time(7)?, time(8)?);
    row.generation = u32::try_from(read_column::<i64>(columns, 2)?).map_err(corrupt)?;
    row.rotated_at = time(3)?;
    row.confirmed = read_column(columns, 4)?;
    row.late_budget = time(5)?;
    row.idle_expiry = time(7)?;
    row.ended = match (read_column::<Option<&str>>(columns, 9)?, read_column::<Option<i64>>(columns, 10)?) {
        // A reason that a later version wrote reads as revoked: the session has ended in any case.
        (Some(reason), Some(_)) => Some(Ended::new(reason.parse().unwrap_or(EndReason::Revoked), time(10)?)),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(StoreError::new(StoreErrorKind::Corrupt)),
    };
    row.version = u64::try_from(read_column::<i64>(columns, 11)?).map_err(corrupt)?;
    row.meta = SessionMeta::default();
    row.meta.user_agent = read_column(columns, 12)?;
    let ip: Option<&str> = read_column(columns, 13)?;
    row.meta.ip = ip.map(str::parse).transpose().map_err(corrupt)?;
    row.meta.label = read_column(columns, 14)?;
    row.data = read_column(columns, 15)?;
    let millis =
        |index| read_column::<Option<i64>>(columns, index)?.map(u64::try_from).transpose().map_err(corrupt);
    if let Some(at) = millis(16)? {
        row.authenticated_at = Timestamp::from_millis(at);
    }
    row.idle = millis(17)?.map(Duration::from_millis);
    row.persistent = read_column(columns, 18)?;
    row.claims_epoch = read_epoch(columns, 19)?;
    row.binding = read_column::<Option<Vec<u8>>>(columns, 20)?.map(SessionBinding::from_bytes);
    Ok(row)
}

pub(crate) fn read_handle(columns: &Columns, index: usize) -> Result<SessionHandle, StoreError> {
    let bytes: &[u8] = read_column(columns, index)?;
    bytes.try_into().map(SessionHandle::from_bytes).map_err(corrupt)
}

pub(crate) fn read_time(columns: &Columns, index: usize) -> Result<Timestamp, StoreError> {
    u64::try_from(read_column::<i64>(columns, index)?).map(Timestamp::from_millis).map_err(corrupt)
}

pub(crate) fn read_epoch(columns: &Columns, index: usize) -> Result<u32, StoreError> {
    u32::try_from(read_column::<i64>(columns, index)?).map_err(corrupt)
}

pub(crate) fn read_column<'a, T: FromSql<'a>>(columns: &'a Columns, index: usize) -> Result<T, StoreError> {
    columns.try_get(index).map_err(corrupt)
}

fn corrupt(error: impl Error + Send + Sync + 'static) -> StoreError {
    StoreError::with_source(StoreErrorKind::Corrupt, error)
}
