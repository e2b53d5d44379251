//! The sessions of a subject: a sorted set of handles, by absolute expiry.
//!
//! A handle is added before its row is written, and removed after the row is ended or long dead. So the index has all live
//! sessions, and may have others, which readers ignore. A handle without a row is kept, as its row may be about to be
//! written.

use std::{collections::BTreeMap, time::Duration};

use redis::{Value, cmd};
use tower_refresh_core::{Page, SessionHandle, SessionRow, StoreError, StoreErrorKind, Subject, Timestamp};

use crate::{
    connection::Request,
    database::{Database, millis},
};

const ROWS_AT_ONCE: usize = 500;
/// A session end waits no longer than this for the removal from the index.
const REMOVE_WITHIN: Duration = Duration::from_millis(100);

pub(crate) async fn add(database: &Database, row: &SessionRow) -> Result<(), StoreError> {
    let key = database.keys.index(&row.subject);
    let expiry = millis(row.absolute_expiry).to_string();
    let key_expiry = database.key_expiry(row.absolute_expiry);
    let long_dead = millis(row.created_at.saturating_sub(database.retention)).to_string();
    let arguments: [&[u8]; 4] =
        [row.handle.as_bytes(), expiry.as_bytes(), key_expiry.as_bytes(), long_dead.as_bytes()];
    database.query(Request::script(&database.scripts.index, &key, &arguments)).await
}

/// Removes ended or deleted sessions from the index, so that readers need not load them. A failure is harmless, as readers
/// check the rows.
pub(crate) async fn remove(database: &Database, subject: &Subject, handles: &[SessionHandle]) {
    if handles.is_empty() {
        return;
    }
    let mut remove = cmd("ZREM");
    remove.arg(database.keys.index(subject));
    for handle in handles {
        remove.arg(handle.as_bytes());
    }
    let _ = tokio::time::timeout(REMOVE_WITHIN, database.connection.send(&Request::Command(remove))).await;
}

/// The page of the subject's live sessions, newest login first.
pub(crate) async fn live(
    database: &Database,
    subject: &Subject,
    now: Timestamp,
    page: Page,
) -> Result<Vec<SessionRow>, StoreError> {
    let (mut newest, mut cursor) = (BTreeMap::new(), 0);
    loop {
        let (next, rows) = rows(database, subject, cursor).await?;
        let mut ended = Vec::new();
        for row in rows {
            if row.ended.is_some() {
                ended.push(row.handle);
            } else if row.is_live(now) && page.includes(&row) {
                newest.insert((row.created_at, row.handle), row);
                if newest.len() > page.limit {
                    newest.pop_first();
                }
            }
        }
        remove(database, subject, &ended).await;
        if next == 0 {
            return Ok(newest.into_values().rev().collect());
        }
        cursor = next;
    }
}

/// Some rows of the subject, and the cursor for the next ones, which is 0 after the last. Sessions that are in the index from the
/// first to the last call are found, even if others are added or removed meanwhile. Some may be found twice.
pub(crate) async fn rows(
    database: &Database,
    subject: &Subject,
    cursor: u64,
) -> Result<(u64, Vec<SessionRow>), StoreError> {
    let mut scan = cmd("ZSCAN");
    scan.arg(database.keys.index(subject)).arg(cursor).arg("COUNT").arg(ROWS_AT_ONCE);
    let (next, entries): (u64, Vec<(Vec<u8>, Value)>) = database.query(Request::Command(scan)).await?;
    let handles: Vec<_> = entries
        .into_iter()
        .map(|(handle, _)| handle.try_into().map(SessionHandle::from_bytes))
        .collect::<Result<_, _>>()
        .map_err(|_| StoreError::new(StoreErrorKind::Corrupt))?;
    let rows = load(database, &handles).await?;
    Ok((next, rows.into_iter().flatten().filter(|row| row.subject == *subject).collect()))
}

/// The rows of the handles, in the same order.
async fn load(database: &Database, handles: &[SessionHandle]) -> Result<Vec<Option<SessionRow>>, StoreError> {
    if handles.is_empty() {
        return Ok(Vec::new());
    }
    let mut get = cmd("MGET");
    for &handle in handles {
        get.arg(database.keys.row(handle));
    }
    let values: Vec<Option<Vec<u8>>> = database.query(Request::Command(get)).await?;
    handles
        .iter()
        .zip(values)
        .map(|(&handle, value)| value.map(|value| database.decode(handle, &value)).transpose())
        .collect()
}
