//! A session row as the columns of a table.

use std::time::Duration;

use rusqlite::{
    Row as Columns, ToSql,
    types::{FromSql, FromSqlResult, ToSqlOutput, Type, ValueRef},
};
use tower_refresh_core::{
    EndReason, Ended, SessionBinding, SessionHandle, SessionMeta, SessionRow, Timestamp,
};

/// The columns that [`read`] expects, in this order.
macro_rules! columns {
    () => {
        "handle, subject, generation, rotated_at, confirmed, late_budget, created_at, idle_expiry, \
         absolute_expiry, ended_reason, ended_at, version, user_agent, ip, label, data, authenticated_at, idle, \
         persistent, claims_epoch, binding"
    };
}
pub(crate) use columns;

/// A value of `tower-refresh-core` in one column.
pub(crate) struct Column<T>(pub(crate) T);

impl ToSql for Column<SessionHandle> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.0.as_bytes())))
    }
}

impl FromSql for Column<SessionHandle> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        FromSql::column_result(value).map(|bytes| Self(SessionHandle::from_bytes(bytes)))
    }
}

/// A time beyond the range of a signed column is an error, here and below, and never wraps.
impl ToSql for Column<Timestamp> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let millis = i64::try_from(self.0.as_millis());
        millis.map(Into::into).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
    }
}

impl FromSql for Column<Timestamp> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        u64::column_result(value).map(|millis| Self(Timestamp::from_millis(millis)))
    }
}

/// In whole milliseconds.
impl ToSql for Column<Duration> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let millis = i64::try_from(self.0.as_millis());
        millis.map(Into::into).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
    }
}

impl FromSql for Column<Duration> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        u64::column_result(value).map(|millis| Self(Duration::from_millis(millis)))
    }
}

impl ToSql for Column<EndReason> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.as_str().into())
    }
}

/// A reason that a later version wrote reads as revoked: the session has ended in any case.
impl FromSql for Column<EndReason> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str().map(|reason| Self(reason.parse().unwrap_or(EndReason::Revoked)))
    }
}

/// Reads the row of a query for [`columns`].
pub(crate) fn read(columns: &Columns<'_>) -> rusqlite::Result<SessionRow> {
    let time = |index| columns.get(index).map(|Column(time): Column<Timestamp>| time);
    let Column(handle) = columns.get(0)?;
    let mut row = SessionRow::new(handle, columns.get::<_, String>(1)?.into(), time(6)?, time(7)?, time(8)?);
    row.generation = columns.get(2)?;
    row.rotated_at = time(3)?;
    row.confirmed = columns.get(4)?;
    row.late_budget = time(5)?;
    row.idle_expiry = time(7)?;
    row.ended = ended(columns.get(9)?, columns.get(10)?)?;
    row.version = columns.get(11)?;
    row.meta = SessionMeta::default();
    row.meta.user_agent = columns.get(12)?;
    let ip = columns.get::<_, Option<String>>(13)?.map(|ip| ip.parse()).transpose();
    row.meta.ip = ip.map_err(|error| invalid(13, error))?;
    row.meta.label = columns.get(14)?;
    row.data = columns.get(15)?;
    if let Some(Column(at)) = columns.get(16)? {
        row.authenticated_at = at;
    }
    row.idle = columns.get::<_, Option<_>>(17)?.map(|Column(idle)| idle);
    row.persistent = columns.get(18)?;
    row.claims_epoch = columns.get(19)?;
    row.binding = columns.get::<_, Option<Vec<u8>>>(20)?.map(SessionBinding::from_bytes);
    Ok(row)
}

fn ended(
    reason: Option<Column<EndReason>>,
    at: Option<Column<Timestamp>>,
) -> rusqlite::Result<Option<Ended>> {
    match (reason, at) {
        (Some(reason), Some(at)) => Ok(Some(Ended::new(reason.0, at.0))),
        (None, None) => Ok(None),
        (Some(_), None) | (None, Some(_)) => Err(invalid(9, "a session end has both a reason and a time")),
    }
}

fn invalid(column: usize, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
}
