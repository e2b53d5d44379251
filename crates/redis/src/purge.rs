//! The removal of what is long dead.
//!
//! Redis does it by itself: the key of each row expires when the session has been dead for the retention. What is removed
//! here is what somebody wants removed earlier, and is found by looking through all keys, some at a time.

use std::{sync::PoisonError, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use redis::cmd;
use tower_refresh_core::{SessionHandle, StoreError, Subject, Timestamp};

use crate::{
    cluster,
    inner::{Inner, Position},
    list,
    request::Request,
};

const KEYS_AT_ONCE: usize = 512;
const SCRIPTS_AT_ONCE: usize = 128;
/// What Redis removes within this time is left to it; clocks differ by as much.
const SOON: Duration = Duration::from_secs(60);

/// Goes on where the last call left off until it has removed some, and returns 0 only after it has seen everything.
pub(crate) async fn purge(inner: &Inner, dead_before: Timestamp) -> Result<u64, StoreError> {
    if is_done_by_redis(inner, dead_before).await? {
        return Ok(0);
    }
    let primaries = primaries(inner).await?;
    let mut position = take(inner);
    if position.primary >= primaries.len() {
        position = Position::default();
    }
    let mut from_start = position == Position::default();
    loop {
        let primary = primaries.get(position.primary).copied().flatten();
        let (cursor, keys) = scan(inner, primary, position.cursor).await?;
        let removed = remove(inner, &keys, dead_before).await?;
        position.cursor = cursor;
        if cursor == 0 {
            position.primary += 1;
        }
        let is_over = position.primary == primaries.len();
        if is_over {
            position = Position::default();
        }
        *inner.purge.lock().unwrap_or_else(PoisonError::into_inner) = position;
        if removed > 0 || (is_over && from_start) {
            return Ok(removed);
        }
        from_start |= is_over;
    }
}

fn take(inner: &Inner) -> Position {
    std::mem::take(&mut *inner.purge.lock().unwrap_or_else(PoisonError::into_inner))
}

async fn is_done_by_redis(inner: &Inner, dead_before: Timestamp) -> Result<bool, StoreError> {
    let (seconds, _): (u64, u64) = inner.ask(Request::Command(cmd("TIME"))).await?;
    let gone = dead_before.saturating_add(inner.retention);
    Ok(gone <= Timestamp::from_secs(seconds).saturating_add(SOON))
}

/// A slot of each primary, or `None` for the only one.
async fn primaries(inner: &Inner) -> Result<Vec<Option<u16>>, StoreError> {
    if !inner.link.is_cluster() {
        return Ok(vec![None]);
    }
    Ok(cluster::primaries(&cluster::ranges(inner).await?).into_iter().map(Some).collect())
}

async fn scan(inner: &Inner, primary: Option<u16>, cursor: u64) -> Result<(u64, Vec<Vec<u8>>), StoreError> {
    let mut scan = cmd("SCAN");
    scan.arg(cursor).arg("MATCH").arg(inner.keys.rows()).arg("COUNT").arg(KEYS_AT_ONCE);
    let Some(slot) = primary else { return inner.ask(Request::Command(scan)).await };
    inner.ask(Request::OnPrimaryOf(slot, scan)).await
}

async fn remove(inner: &Inner, keys: &[Vec<u8>], dead_before: Timestamp) -> Result<u64, StoreError> {
    let handles = keys.iter().filter_map(|key| inner.keys.handle(key));
    let removals: Vec<_> = handles.map(|handle| remove_one(inner, handle, dead_before)).collect();
    stream::iter(removals).buffer_unordered(SCRIPTS_AT_ONCE).try_fold(0, async |sum, one| Ok(sum + one)).await
}

/// Returns 1 if the session was dead before.
async fn remove_one(inner: &Inner, handle: SessionHandle, dead_before: Timestamp) -> Result<u64, StoreError> {
    let key = inner.keys.row(handle);
    let request = Request::script(&inner.scripts.purge, &key, &[&dead_before.as_millis().to_be_bytes()]);
    let Some(subject) = inner.ask::<Option<String>>(request).await? else { return Ok(0) };
    list::remove(inner, &Subject::new(subject), &[handle]).await;
    Ok(1)
}
