//! Conversion between a session and the table's columns.

use std::{error::Error, time::Duration};

use tower_refresh_core::{
    EndReason, Ended, SessionBinding, SessionHandle, SessionMeta, SessionRow, StoreError, StoreErrorKind,
    Subject, Timestamp,
};

/// The columns that [`read_row`] expects, in this order.
pub(crate) const COLUMNS: &str = "handle, subject, generation, rotated_at, confirmed, late_budget, created_at, \
     idle_expiry, absolute_expiry, ended_reason, ended_at, version, user_agent, ip, label, data, authenticated_at, idle, \
     persistent, claims_epoch, binding";

/// The columns of a row, as a driver reads them. Each method fails if the column has another type, or an unexpected null.
pub trait Columns {
    /// The error of the driver.
    type Error: Error + Send + Sync + 'static;

    /// A `bigint`.
    ///
    /// # Errors
    /// If it is not one.
    fn number(&self, index: usize) -> Result<i64, Self::Error>;

    /// A `bigint` or null.
    ///
    /// # Errors
    /// If it is not one.
    fn optional_number(&self, index: usize) -> Result<Option<i64>, Self::Error>;

    /// A `boolean`.
    ///
    /// # Errors
    /// If it is not one.
    fn flag(&self, index: usize) -> Result<bool, Self::Error>;

    /// A `text` or null.
    ///
    /// # Errors
    /// If it is not one.
    fn optional_text(&self, index: usize) -> Result<Option<&str>, Self::Error>;

    /// A `bytea` or null.
    ///
    /// # Errors
    /// If it is not one.
    fn optional_bytes(&self, index: usize) -> Result<Option<&[u8]>, Self::Error>;
}

/// Converts a number to the signed type of a column. A number out of range is an error and never wraps.
///
/// # Errors
/// [`StoreErrorKind::Unavailable`] if the number is out of range.
pub fn number(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|error| StoreError::with_source(StoreErrorKind::Unavailable, error))
}

/// As [`number`], for a time in milliseconds.
///
/// # Errors
/// As for [`number`].
pub fn millis(at: Timestamp) -> Result<i64, StoreError> {
    number(at.as_millis())
}

/// As [`number`], for a duration in whole milliseconds.
///
/// # Errors
/// As for [`number`].
pub fn duration(duration: Duration) -> Result<i64, StoreError> {
    i64::try_from(duration.as_millis())
        .map_err(|error| StoreError::with_source(StoreErrorKind::Unavailable, error))
}

/// Whether a session can have this subject: PostgreSQL cannot store text with U+0000.
pub fn can_be_stored(subject: &Subject) -> bool {
    !subject.as_str().contains('\0')
}

/// Reads a session that [`Statements::load`](crate::Statements::load), [`load_batch`](crate::Statements::load_batch) or
/// [`list`](crate::Statements::list) returned.
///
/// # Errors
/// [`StoreErrorKind::Corrupt`] if the columns are not those of a session.
pub fn read_row(columns: &impl Columns) -> Result<SessionRow, StoreError> {
    let time = |index| read_time(columns, index);
    let text = |index| Ok::<_, StoreError>(columns.optional_text(index).map_err(corrupt)?.map(str::to_owned));
    let subject = text(1)?.ok_or_else(null)?;
    let mut row = SessionRow::new(read_handle(columns, 0)?, subject.into(), time(6)?, time(7)?, time(8)?);
    row.generation = read_epoch(columns, 2)?;
    row.rotated_at = time(3)?;
    row.confirmed = columns.flag(4).map_err(corrupt)?;
    row.late_budget = time(5)?;
    row.idle_expiry = time(7)?;
    let ended = (columns.optional_text(9).map_err(corrupt)?, columns.optional_number(10).map_err(corrupt)?);
    row.ended = match ended {
        // A reason that a later version wrote reads as revoked: the session has ended in any case.
        (Some(reason), Some(_)) => Some(Ended::new(reason.parse().unwrap_or(EndReason::Revoked), time(10)?)),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(null()),
    };
    row.version = u64::try_from(columns.number(11).map_err(corrupt)?).map_err(corrupt)?;
    row.meta = SessionMeta::default();
    row.meta.user_agent = text(12)?;
    row.meta.ip = columns.optional_text(13).map_err(corrupt)?.map(str::parse).transpose().map_err(corrupt)?;
    row.meta.label = text(14)?;
    row.data = columns.optional_bytes(15).map_err(corrupt)?.ok_or_else(null)?.to_vec();
    let millis = |index| {
        columns.optional_number(index).map_err(corrupt)?.map(u64::try_from).transpose().map_err(corrupt)
    };
    if let Some(at) = millis(16)? {
        row.authenticated_at = Timestamp::from_millis(at);
    }
    row.idle = millis(17)?.map(Duration::from_millis);
    row.persistent = columns.flag(18).map_err(corrupt)?;
    row.claims_epoch = read_epoch(columns, 19)?;
    row.binding =
        columns.optional_bytes(20).map_err(corrupt)?.map(|key| SessionBinding::from_bytes(key.to_vec()));
    Ok(row)
}

/// Reads the handle of a session.
///
/// # Errors
/// [`StoreErrorKind::Corrupt`] if the column is not one.
pub fn read_handle(columns: &impl Columns, index: usize) -> Result<SessionHandle, StoreError> {
    let bytes = columns.optional_bytes(index).map_err(corrupt)?.ok_or_else(null)?;
    bytes.try_into().map(SessionHandle::from_bytes).map_err(corrupt)
}

/// Reads a time.
///
/// # Errors
/// [`StoreErrorKind::Corrupt`] if the column is not one.
pub fn read_time(columns: &impl Columns, index: usize) -> Result<Timestamp, StoreError> {
    u64::try_from(columns.number(index).map_err(corrupt)?).map(Timestamp::from_millis).map_err(corrupt)
}

/// Reads an epoch or a generation.
///
/// # Errors
/// [`StoreErrorKind::Corrupt`] if the column is not one.
pub fn read_epoch(columns: &impl Columns, index: usize) -> Result<u32, StoreError> {
    u32::try_from(columns.number(index).map_err(corrupt)?).map_err(corrupt)
}

fn corrupt(error: impl Error + Send + Sync + 'static) -> StoreError {
    StoreError::with_source(StoreErrorKind::Corrupt, error)
}

/// A column is null, or not null beside another.
fn null() -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt)
}
