//! The session ends that a new watcher has missed.

use rusqlite::Connection;
use tower_refresh_core::{SessionHandle, Timestamp};

use crate::row::Column;

/// The session ends so far.
pub(crate) struct Ends {
    pub(crate) since: Vec<(SessionHandle, Timestamp)>,
    /// The number of the last stored session end, whether it is in `since` or not.
    pub(crate) last: i64,
}

const LAST_END: &str = "SELECT ifnull(max(number), 0) FROM ends";
const ENDS: &str = "SELECT handle, at FROM ends WHERE at >= ?1 AND kind = 0";

/// Reads the last number first: a session end between the two queries is reported twice, and none is missed.
pub(super) fn ends(connection: &Connection, since: Timestamp) -> rusqlite::Result<Ends> {
    let last = connection.prepare_cached(LAST_END)?.query_row([], |columns| columns.get(0))?;
    let mut statement = connection.prepare_cached(ENDS)?;
    let ends = statement.query_map([Column(since)], |columns| {
        let (Column(handle), Column(at)) = (columns.get(0)?, columns.get(1)?);
        Ok((handle, at))
    })?;
    Ok(Ends { since: ends.collect::<Result<_, _>>()?, last })
}
