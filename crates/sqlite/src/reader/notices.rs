//! The notices that a new watcher has missed.

use rusqlite::Connection;
use tower_refresh_core::Timestamp;

use crate::{
    feed::{Notice, notices, read_notice},
    row::Column,
};

/// The notices so far.
pub(crate) struct Past {
    pub(crate) since: Vec<Notice>,
    /// The number of the last stored notice, whether it is in `since` or not.
    pub(crate) last: i64,
}

const LAST: &str = "SELECT ifnull(max(number), 0) FROM ends";
const SINCE: &str = notices!("at >= ?1");

/// Reads the last number first: a notice between the two queries is reported twice, and none is missed.
pub(super) fn past(connection: &Connection, since: Timestamp) -> rusqlite::Result<Past> {
    let last = connection.prepare_cached(LAST)?.query_row([], |columns| columns.get(0))?;
    let mut statement = connection.prepare_cached(SINCE)?;
    let notices = statement.query_map([Column(since)], read_notice)?;
    let notices = notices.filter_map(|notice| match notice {
        // Later versions report their notices themselves.
        Ok(None | Some(Notice::Unknown)) => None,
        Ok(Some(notice)) => Some(Ok(notice)),
        Err(error) => Some(Err(error)),
    });
    Ok(Past { since: notices.collect::<Result<_, _>>()?, last })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    #[test]
    fn a_new_watcher_reads_the_notices_since_a_time_and_the_rows_of_their_sessions_only() {
        let mut connection = Connection::open_in_memory().expect("opens");
        schema::migrate(&mut connection).expect("migrates");
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {SINCE}")).expect("prepares");
        let plan = explain.raw_query().mapped(|row| row.get::<_, String>(3));
        let plan: Vec<_> = plan.map(|step| step.expect("reads")).collect();
        let expected = [
            "SEARCH ends USING INDEX ends_by_time (at>?)",
            "SEARCH sessions USING INDEX sqlite_autoindex_sessions_1 (handle=?) LEFT-JOIN",
        ];
        assert_eq!(plan, expected);
    }
}
