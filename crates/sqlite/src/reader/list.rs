//! Listing the sessions of a subject.

use rusqlite::{Connection, params};
use tower_refresh_core::{Page, SessionRow, Subject, Timestamp};

use crate::row::{self, Column, columns};

/// Two statements: SQLite begins at a page in the index only if the comparison is not optional.
macro_rules! list {
    ($after:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM sessions WHERE subject = ?1 AND ended_at IS NULL AND idle_expiry > ?2 AND absolute_expiry > ?2",
            $after,
            " ORDER BY created_at DESC, handle DESC LIMIT ?3"
        )
    };
}
const FIRST_PAGE: &str = list!("");
const LATER_PAGE: &str = list!(" AND (created_at, handle) < (?4, ?5)");

pub(super) fn list(
    connection: &Connection,
    subject: &Subject,
    now: Timestamp,
    page: Page,
) -> rusqlite::Result<Vec<SessionRow>> {
    let (subject, now) = (subject.as_str(), Column(now));
    let limit = i64::try_from(page.limit).unwrap_or(i64::MAX);
    let Some((login, handle)) = page.after else {
        let mut statement = connection.prepare_cached(FIRST_PAGE)?;
        return statement.query_map(params![subject, now, limit], row::read)?.collect();
    };
    let mut statement = connection.prepare_cached(LATER_PAGE)?;
    let parameters = params![subject, now, limit, Column(login), Column(handle)];
    statement.query_map(parameters, row::read)?.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    #[test]
    fn every_page_is_a_range_of_the_index_and_nothing_is_sorted() {
        let mut connection = Connection::open_in_memory().expect("opens");
        schema::migrate(&mut connection).expect("migrates");
        for (statement, range) in
            [(FIRST_PAGE, "(subject=?)"), (LATER_PAGE, "(subject=? AND (created_at,handle)<(?,?))")]
        {
            let mut explain =
                connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).expect("prepares");
            let plan = explain.raw_query().mapped(|row| row.get::<_, String>(3));
            let plan: Vec<_> = plan.map(|step| step.expect("reads")).collect();
            assert_eq!(plan, [format!("SEARCH sessions USING INDEX sessions_by_login {range}")]);
        }
    }
}
