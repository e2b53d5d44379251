//! Ending a session.

use rusqlite::{Connection, params};
use tower_refresh_core::{EndReason, SessionHandle, StoreError, Timestamp};

use super::job::{Step, Write};
use crate::{error::store_error, row::Column};

pub(crate) struct End {
    pub(crate) handle: SessionHandle,
    pub(crate) reason: EndReason,
    pub(crate) now: Timestamp,
    pub(crate) version: u64,
}

const END: &str = "
    UPDATE sessions SET ended_reason = ?1, ended_at = ?2, version = ?4, purge_at = min(purge_at, ?2)
    WHERE handle = ?3 AND ended_at IS NULL";

impl Write for End {
    type Output = bool;

    const NOTIFIES: bool = true;

    fn step(&mut self, connection: &Connection, _rows: usize) -> Result<Step<bool>, StoreError> {
        let parameters = params![Column(self.reason), Column(self.now), Column(self.handle), self.version];
        let rows = connection.prepare_cached(END).and_then(|mut end| end.execute(parameters));
        rows.map(|rows| Step::Done(rows == 1)).map_err(store_error)
    }
}
