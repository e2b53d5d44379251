//! Purging the rows of sessions that ended or expired.

use rusqlite::{Connection, params};
use tower_refresh_core::{StoreError, Timestamp};

use super::job::{Step, Write};
use crate::{error::store_error, row::Column};

pub(crate) struct PurgeDead(pub(crate) Timestamp);

const DUE: &str = "
    SELECT id, min(idle_expiry, absolute_expiry, ifnull(ended_at, absolute_expiry)) FROM sessions
    WHERE purge_at < ?1 ORDER BY purge_at LIMIT ?2";
const DELETE: &str = "DELETE FROM sessions WHERE id = ?1";
const POSTPONE: &str = "UPDATE sessions SET purge_at = ?2 WHERE id = ?1";
const DELETE_NOTICES: &str =
    "DELETE FROM ends WHERE number IN (SELECT number FROM ends WHERE at < ?1 ORDER BY at LIMIT ?2)";

/// A step examines the sessions whose `purge_at` is earliest. The job continues until a step has removed a row, or has
/// examined all sessions whose `purge_at` has passed and deleted all notices as old as that, which may be many more than sessions.
impl Write for PurgeDead {
    type Output = u64;

    const LONG: bool = true;

    fn step(&mut self, connection: &Connection, rows: usize) -> Result<Step<u64>, StoreError> {
        self.purge_some(connection, rows).map_err(store_error)
    }
}

impl PurgeDead {
    fn purge_some(&self, connection: &Connection, rows: usize) -> rusqlite::Result<Step<u64>> {
        let dead_before = Column(self.0);
        let notices = connection.prepare_cached(DELETE_NOTICES)?.execute(params![dead_before, rows])?;
        let due = connection
            .prepare_cached(DUE)?
            .query_map(params![dead_before, rows], |columns| Ok((columns.get(0)?, columns.get(1)?)))?
            .collect::<Result<Vec<(i64, Column<Timestamp>)>, _>>()?;
        let (mut delete, mut postpone) =
            (connection.prepare_cached(DELETE)?, connection.prepare_cached(POSTPONE)?);
        let mut removed = 0;
        for (id, dead_since) in &due {
            if dead_since.0 < self.0 {
                removed += delete.execute([id])? as u64;
            } else {
                postpone.execute(params![id, dead_since])?;
            }
        }
        let is_done = removed > 0 || due.len() < rows && notices < rows;
        Ok(if is_done { Step::Done(removed) } else { Step::More })
    }
}
