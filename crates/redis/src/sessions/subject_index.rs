//! The sessions of a subject: a sorted set of handles, by login.
//!
//! A handle is added before its row is written, and removed when its row has ended or is gone. So the index has all live sessions,
//! and may have others, which readers ignore. The row of a handle may be about to be written, so a handle without a row is removed
//! no earlier than a minute after it was added, which the index records in marks.
//!
//! On the nodes of a Cluster, row and index are written independently. If a failover loses the index entry of a session whose row
//! is on another node, the session's next refresh adds it again.

use std::time::Duration;

use futures_util::future::try_join_all;
use redis::cmd;
use tower_refresh_core::{Page, SessionHandle, SessionRow, StoreError, StoreErrorKind, Subject, Timestamp};

use crate::{
    connection::Request,
    database::{Database, millis},
};

const ROWS_AT_ONCE: usize = 500;
/// So that a short page takes few requests even if many sessions in the index have ended.
const MIN_ROWS_AT_ONCE: usize = 16;
/// A call waits no longer than this for a change of the index that need not succeed.
const CHANGE_WITHIN: Duration = Duration::from_millis(100);

/// A session in an index: its login as it is in the index, in milliseconds, and its handle.
pub(crate) type Entry = (u64, SessionHandle);

/// A row, `None` if it is missing, or an error if it is unreadable.
pub(crate) type Loaded = Result<Option<SessionRow>, StoreError>;

/// Adds a session that is about to be created.
pub(crate) async fn add(database: &Database, row: &SessionRow) -> Result<(), StoreError> {
    let some = add_all(database, &row.subject, &[entry(row)], row.absolute_expiry).await?;
    if some.is_empty() {
        return Ok(());
    }
    // A subject that is never listed would otherwise keep each of its sessions in the index.
    let rows = load(database, &some).await?;
    let missing = some.iter().zip(rows).filter(|(_, row)| matches!(row, Ok(None)));
    let missing: Vec<_> = missing.map(|(&handle, _)| handle).collect();
    remove_missing(database, &row.subject, &missing).await;
    Ok(())
}

/// Adds a session that is refreshed, in case that a failover has lost it. The next refresh makes up for a failure.
pub(crate) async fn keep(database: &Database, row: &SessionRow) {
    let entries = [entry(row)];
    let add = add_all(database, &row.subject, &entries, row.absolute_expiry);
    let _ = tokio::time::timeout(CHANGE_WITHIN, add).await;
}

/// Adds sessions, of which `last` is the latest absolute expiry. Returns some sessions of a large index.
pub(crate) async fn add_all(
    database: &Database,
    subject: &Subject,
    entries: &[Entry],
    last: Timestamp,
) -> Result<Vec<SessionHandle>, StoreError> {
    let (key, expiry) = (database.keys.index(subject), database.key_expiry(last));
    let logins: Vec<_> = entries.iter().map(|(login, _)| login.to_string()).collect();
    let mut arguments: Vec<&[u8]> = vec![expiry.as_bytes()];
    for ((_, handle), login) in entries.iter().zip(&logins) {
        arguments.extend([login.as_bytes(), handle.as_bytes()]);
    }
    let some: Vec<Vec<u8>> =
        database.query(Request::script(&database.scripts.index, &key, &arguments)).await?;
    Ok(some.into_iter().filter_map(|member| read_handle(member).ok()).collect())
}

/// Removes sessions without a row from the index, unless they were added a short time ago. A failure is harmless.
pub(crate) async fn remove_missing(database: &Database, subject: &Subject, handles: &[SessionHandle]) {
    if handles.is_empty() {
        return;
    }
    let (key, handles) =
        (database.keys.index(subject), handles.iter().map(|handle| handle.as_bytes().as_slice()));
    let request = Request::script(&database.scripts.remove, &key, &handles.collect::<Vec<_>>());
    let _ = tokio::time::timeout(CHANGE_WITHIN, database.connection.send(&request)).await;
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
    let _ = tokio::time::timeout(CHANGE_WITHIN, database.connection.send(&Request::Command(remove))).await;
}

/// The page of the subject's live sessions, newest login first. The caller has converted an index of the first version.
pub(crate) async fn live(
    database: &Database,
    subject: &Subject,
    now: Timestamp,
    page: Page,
) -> Result<Vec<SessionRow>, StoreError> {
    let mut after = page.after.map(|(login, handle)| (millis(login), handle));
    let mut live = Vec::new();
    loop {
        let count = page.limit.saturating_sub(live.len()).clamp(MIN_ROWS_AT_ONCE, ROWS_AT_ONCE);
        let entries = entries(database, subject, after, count).await?;
        let handles: Vec<_> = entries.iter().map(|&(_, handle)| handle).collect();
        let (mut over, mut missing) = (Vec::new(), Vec::new());
        for (&handle, row) in handles.iter().zip(load(database, &handles).await?) {
            match row? {
                Some(row) if row.subject == *subject && row.ended.is_none() => {
                    live.extend(row.is_live(now).then_some(row));
                }
                // The end may still have to wait for replicas.
                Some(row) if row.subject == *subject && database.waiting.is_some() => {}
                Some(_) => over.push(handle),
                None => missing.push(handle),
            }
        }
        remove(database, subject, &over).await;
        remove_missing(database, subject, &missing).await;
        if live.len() >= page.limit || entries.len() < count {
            live.truncate(page.limit);
            return Ok(live);
        }
        after = entries.last().copied();
    }
}

/// Some sessions in the index, newest login first, after the given one. Fewer than `count` only at the end of the index.
pub(crate) async fn entries(
    database: &Database,
    subject: &Subject,
    after: Option<Entry>,
    count: usize,
) -> Result<Vec<Entry>, StoreError> {
    let (key, count) = (database.keys.index(subject), count.to_string());
    let after = after.map(|(login, handle)| (login.to_string(), handle));
    let mut arguments: Vec<&[u8]> = vec![count.as_bytes()];
    if let Some((login, handle)) = &after {
        arguments.extend([login.as_bytes(), handle.as_bytes().as_slice()]);
    }
    let found: Vec<(Vec<u8>, f64)> =
        database.query(Request::script(&database.scripts.page, &key, &arguments)).await?;
    // Scores are whole numbers below 2^53.
    found.into_iter().map(|(handle, login)| Ok((login as u64, read_handle(handle)?))).collect()
}

/// The rows of the handles, in the same order.
pub(crate) async fn load(database: &Database, handles: &[SessionHandle]) -> Result<Vec<Loaded>, StoreError> {
    let mut rows = Vec::with_capacity(handles.len());
    for handles in handles.chunks(ROWS_AT_ONCE) {
        let values = values(database, handles).await?;
        let decode = |(&handle, value): (_, Option<Vec<u8>>)| {
            value.map(|value| database.decode(handle, &value)).transpose()
        };
        rows.extend(handles.iter().zip(values).map(decode));
    }
    Ok(rows)
}

/// The stored rows. In a Cluster they are in different slots.
async fn values(database: &Database, handles: &[SessionHandle]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    if database.connection.is_cluster() {
        return try_join_all(handles.iter().map(|&handle| database.value(handle))).await;
    }
    let mut get = cmd("MGET");
    for &handle in handles {
        get.arg(database.keys.row(handle));
    }
    database.query(Request::Command(get)).await
}

pub(crate) fn entry(row: &SessionRow) -> Entry {
    (millis(row.created_at), row.handle)
}

pub(crate) fn read_handle(member: Vec<u8>) -> Result<SessionHandle, StoreError> {
    let bytes = member.try_into().map_err(|_| StoreError::new(StoreErrorKind::Corrupt))?;
    Ok(SessionHandle::from_bytes(bytes))
}
