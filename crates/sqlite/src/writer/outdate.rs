//! Outdating the claims of a session.

use rusqlite::{Connection, OptionalExtension, params};
use tower_refresh_core::{SessionHandle, StoreError, Timestamp};

use super::job::{Step, Write};
use crate::{error::store_error, feed::OUTDATED_CLAIMS, row::Column};

pub(crate) struct Outdate {
    pub(crate) handle: SessionHandle,
    pub(crate) now: Timestamp,
    pub(crate) version: u64,
}

const NOTIFY: &str = "
    INSERT INTO ends (handle, at, kind) SELECT handle, ?2, ?3 FROM sessions WHERE handle = ?1 AND ended_at IS NULL";
const OUTDATE: &str = "
    UPDATE sessions SET claims_epoch = min(claims_epoch + 1, ?2), version = ?3
    WHERE handle = ?1 AND ended_at IS NULL RETURNING claims_epoch";

impl Write for Outdate {
    type Output = Option<u32>;

    const NOTIFIES: bool = true;

    fn step(&mut self, connection: &Connection, _rows: usize) -> Result<Step<Option<u32>>, StoreError> {
        self.outdate(connection).map(Step::Done).map_err(store_error)
    }
}

impl Outdate {
    /// Writes the notice first. If the second statement fails and other jobs are committed, the notice reports the epoch that the
    /// session has, which is harmless. An epoch without a notice would not be reported.
    fn outdate(&self, connection: &Connection) -> rusqlite::Result<Option<u32>> {
        let handle = Column(self.handle);
        let notice = params![handle, Column(self.now), OUTDATED_CLAIMS];
        if connection.prepare_cached(NOTIFY)?.execute(notice)? == 0 {
            return Ok(None);
        }
        let mut outdate = connection.prepare_cached(OUTDATE)?;
        outdate.query_row(params![handle, u32::MAX, self.version], |columns| columns.get(0)).optional()
    }
}
