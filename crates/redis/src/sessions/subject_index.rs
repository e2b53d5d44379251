//! The sessions of a subject: a sorted set of handles, by absolute expiry.
//!
//! A handle is added before its row is written, and removed after the row is ended or long dead. So the index has all live
//! sessions, and may have others, which readers ignore. A handle without a row is kept, as its row may be about to be
//! written.

use std::{cmp::Reverse, time::Duration};

use redis::cmd;
use tower_refresh_core::{SessionHandle, SessionRow, StoreError, StoreErrorKind, Subject, Timestamp};

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

pub(crate) async fn handles(
    database: &Database,
    subject: &Subject,
) -> Result<Vec<SessionHandle>, StoreError> {
    let mut range = cmd("ZRANGE");
    range.arg(database.keys.index(subject)).arg(0).arg(-1);
    let handles: Vec<Vec<u8>> = database.query(Request::Command(range)).await?;
    handles
        .into_iter()
        .map(|bytes| bytes.try_into().map(SessionHandle::from_bytes))
        .collect::<Result<_, _>>()
        .map_err(|_| StoreError::new(StoreErrorKind::Corrupt))
}

pub(crate) async fn live(
    database: &Database,
    subject: &Subject,
    now: Timestamp,
) -> Result<Vec<SessionRow>, StoreError> {
    let (mut live, mut ended) = (Vec::new(), Vec::new());
    for handles in handles(database, subject).await?.chunks(ROWS_AT_ONCE) {
        for row in rows(database, handles).await?.into_iter().flatten().filter(|row| row.subject == *subject)
        {
            if row.is_live(now) {
                live.push(row);
            } else if row.ended.is_some() {
                ended.push(row.handle);
            }
        }
    }
    remove(database, subject, &ended).await;
    live.sort_by_key(|row| Reverse((row.created_at, row.handle)));
    Ok(live)
}

/// The rows of the handles, in the same order.
async fn rows(database: &Database, handles: &[SessionHandle]) -> Result<Vec<Option<SessionRow>>, StoreError> {
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
