//! The removal of what is long dead.

use rusqlite::{Connection, params};
use tower_refresh_core::Timestamp;

use super::job::{Step, Write};
use crate::{error::Failure, row::Column};

pub(crate) struct Purge(pub(crate) Timestamp);

const LOOK: &str = "
    SELECT id, min(idle_expiry, absolute_expiry, ifnull(ended_at, absolute_expiry)) FROM sessions
    WHERE look_at < ?1 ORDER BY look_at LIMIT ?2";
const DELETE: &str = "DELETE FROM sessions WHERE id = ?1";
const LOOK_LATER: &str = "UPDATE sessions SET look_at = ?2 WHERE id = ?1";
const FORGET_ENDS: &str =
    "DELETE FROM ends WHERE number IN (SELECT number FROM ends WHERE at < ?1 ORDER BY at LIMIT ?2)";

/// Looks at some sessions, those that may have died first; it goes on to others until it has removed one, or has
/// looked at all that may be dead.
impl Write for Purge {
    type Output = u64;

    const LONG: bool = true;

    fn step(&mut self, connection: &Connection, rows: usize) -> Result<Step<u64>, Failure> {
        let dead_before = Column(self.0);
        connection.prepare_cached(FORGET_ENDS)?.execute(params![dead_before, rows])?;
        let looked_at = connection
            .prepare_cached(LOOK)?
            .query_map(params![dead_before, rows], |columns| Ok((columns.get(0)?, columns.get(1)?)))?
            .collect::<Result<Vec<(i64, Column<Timestamp>)>, _>>()?;
        let (mut delete, mut look_later) =
            (connection.prepare_cached(DELETE)?, connection.prepare_cached(LOOK_LATER)?);
        let mut removed = 0;
        for (id, dead_since) in &looked_at {
            if dead_since.0 < self.0 {
                removed += delete.execute([id])? as u64;
            } else {
                look_later.execute(params![id, dead_since])?;
            }
        }
        let is_over = removed > 0 || looked_at.len() < rows;
        Ok(if is_over { Step::Done(removed) } else { Step::More })
    }
}
