//! The end of a session.

use rusqlite::{Connection, params};
use tower_refresh_core::{EndReason, SessionHandle, Timestamp};

use super::job::{Step, Write};
use crate::{error::Failure, row::Column};

pub(crate) struct End {
    pub(crate) handle: SessionHandle,
    pub(crate) reason: EndReason,
    pub(crate) now: Timestamp,
}

const END: &str = "
    UPDATE sessions SET ended_reason = ?1, ended_at = ?2, version = version + 1, look_at = min(look_at, ?2)
    WHERE handle = ?3 AND ended_at IS NULL";

impl Write for End {
    type Output = bool;

    const ENDS: bool = true;

    fn step(&mut self, connection: &Connection, _rows: usize) -> Result<Step<bool>, Failure> {
        let mut end = connection.prepare_cached(END)?;
        let rows = end.execute(params![Column(self.reason), Column(self.now), Column(self.handle)])?;
        Ok(Step::Done(rows == 1))
    }
}
