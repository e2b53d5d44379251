//! Which sessions a subject has: a sorted set of handles, by the time each dies at the latest.
//!
//! A session is in it before its row is there, and until its row is ended or long dead. So it names all that live, and may
//! name others, which whoever reads it leaves out. A handle whose row is missing is kept nevertheless: its row may be about
//! to be written.

use std::{cmp::Reverse, time::Duration};

use redis::cmd;
use tower_refresh_core::{SessionHandle, SessionRow, StoreError, StoreErrorKind, Subject, Timestamp};

use crate::{
    inner::{Inner, millis},
    request::Request,
};

const ROWS_AT_ONCE: usize = 500;
/// The end of a session does not wait longer for its place in the index to be cleared.
const CLEAR_WITHIN: Duration = Duration::from_millis(100);

pub(crate) async fn add(inner: &Inner, row: &SessionRow) -> Result<(), StoreError> {
    let key = inner.keys.index(&row.subject);
    let dead = millis(row.absolute_expiry).to_string();
    let forgotten = inner.forgotten_at(row.absolute_expiry);
    let long_dead = millis(row.created_at.saturating_sub(inner.retention)).to_string();
    let arguments: [&[u8]; 4] =
        [row.handle.as_bytes(), dead.as_bytes(), forgotten.as_bytes(), long_dead.as_bytes()];
    inner.ask(Request::script(&inner.scripts.list, &key, &arguments)).await
}

/// Takes ended or deleted sessions out of the list, which saves whoever reads it the trouble to look at them. If it fails,
/// they do look.
pub(crate) async fn remove(inner: &Inner, subject: &Subject, handles: &[SessionHandle]) {
    if handles.is_empty() {
        return;
    }
    let mut remove = cmd("ZREM");
    remove.arg(inner.keys.index(subject));
    for handle in handles {
        remove.arg(handle.as_bytes());
    }
    let _ = tokio::time::timeout(CLEAR_WITHIN, inner.link.ask(&Request::Command(remove))).await;
}

pub(crate) async fn handles(inner: &Inner, subject: &Subject) -> Result<Vec<SessionHandle>, StoreError> {
    let mut range = cmd("ZRANGE");
    range.arg(inner.keys.index(subject)).arg(0).arg(-1);
    let handles: Vec<Vec<u8>> = inner.ask(Request::Command(range)).await?;
    handles
        .into_iter()
        .map(|bytes| bytes.try_into().map(SessionHandle::from_bytes))
        .collect::<Result<_, _>>()
        .map_err(|_| StoreError::new(StoreErrorKind::Corrupt))
}

pub(crate) async fn live(
    inner: &Inner,
    subject: &Subject,
    now: Timestamp,
) -> Result<Vec<SessionRow>, StoreError> {
    let (mut live, mut ended) = (Vec::new(), Vec::new());
    for handles in handles(inner, subject).await?.chunks(ROWS_AT_ONCE) {
        for row in rows(inner, handles).await?.into_iter().flatten().filter(|row| row.subject == *subject) {
            if row.is_live(now) {
                live.push(row);
            } else if row.ended.is_some() {
                ended.push(row.handle);
            }
        }
    }
    remove(inner, subject, &ended).await;
    live.sort_by_key(|row| Reverse((row.created_at, row.handle)));
    Ok(live)
}

/// The rows of some handles, in their order.
async fn rows(inner: &Inner, handles: &[SessionHandle]) -> Result<Vec<Option<SessionRow>>, StoreError> {
    let mut get = cmd("MGET");
    for &handle in handles {
        get.arg(inner.keys.row(handle));
    }
    let values: Vec<Option<Vec<u8>>> = inner.ask(Request::Command(get)).await?;
    handles
        .iter()
        .zip(values)
        .map(|(&handle, value)| value.map(|value| inner.decode(handle, &value)).transpose())
        .collect()
}
