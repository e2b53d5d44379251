//! Removes sessions that are long dead.
//!
//! Redis does so by itself: the key of each row expires when the session has been dead for the retention. A purge is for
//! sessions that are to be removed earlier, and finds them by scanning all keys, some at a time.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use redis::cmd;
use tower_refresh_core::{SessionHandle, StoreError, Subject, Timestamp};

use super::subject_index;
use crate::{cluster, connection::Request, database::Database};

const KEYS_AT_ONCE: usize = 512;
const SCRIPTS_AT_ONCE: usize = 128;
/// Sessions that Redis removes within this time are left to it; clocks may differ by as much.
const SOON: Duration = Duration::from_secs(60);

/// Where the last purge stopped.
#[derive(Debug, Default)]
pub(crate) struct Progress(Mutex<Position>);

/// A primary, and the cursor of its `SCAN`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Position {
    primary: usize,
    cursor: u64,
}

/// Continues where the last call stopped, until it has removed some sessions. Returns 0 only after a scan of all keys.
pub(crate) async fn purge(
    database: &Database,
    progress: &Progress,
    dead_before: Timestamp,
) -> Result<u64, StoreError> {
    if is_done_by_redis(database, dead_before).await? {
        return Ok(0);
    }
    let primaries = primaries(database).await?;
    let mut position = progress.take();
    if position.primary >= primaries.len() {
        position = Position::default();
    }
    let mut from_start = position == Position::default();
    loop {
        let primary = primaries.get(position.primary).copied().flatten();
        let (cursor, keys) = scan(database, primary, position.cursor).await?;
        let removed = remove(database, &keys, dead_before).await?;
        position.cursor = cursor;
        if cursor == 0 {
            position.primary += 1;
        }
        let is_over = position.primary == primaries.len();
        if is_over {
            position = Position::default();
        }
        progress.set(position);
        if removed > 0 || (is_over && from_start) {
            return Ok(removed);
        }
        from_start |= is_over;
    }
}

impl Progress {
    fn take(&self) -> Position {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, position: Position) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = position;
    }
}

async fn is_done_by_redis(database: &Database, dead_before: Timestamp) -> Result<bool, StoreError> {
    let (seconds, _): (u64, u64) = database.query(Request::Command(cmd("TIME"))).await?;
    let removed_by_redis = dead_before.saturating_add(database.retention);
    Ok(removed_by_redis <= Timestamp::from_secs(seconds).saturating_add(SOON))
}

/// A slot of each primary, or `None` for a single node.
async fn primaries(database: &Database) -> Result<Vec<Option<u16>>, StoreError> {
    if !database.connection.is_cluster() {
        return Ok(vec![None]);
    }
    let primaries = cluster::primaries(&cluster::ranges(database).await?);
    Ok(primaries.iter().map(|primary| Some(primary.any_slot())).collect())
}

async fn scan(
    database: &Database,
    primary: Option<u16>,
    cursor: u64,
) -> Result<(u64, Vec<Vec<u8>>), StoreError> {
    let mut scan = cmd("SCAN");
    scan.arg(cursor).arg("MATCH").arg(database.keys.rows()).arg("COUNT").arg(KEYS_AT_ONCE);
    let Some(slot) = primary else { return database.query(Request::Command(scan)).await };
    database.query(Request::OnPrimaryOf(slot, scan)).await
}

async fn remove(database: &Database, keys: &[Vec<u8>], dead_before: Timestamp) -> Result<u64, StoreError> {
    let handles = keys.iter().filter_map(|key| database.keys.handle(key));
    let removals: Vec<_> = handles.map(|handle| remove_one(database, handle, dead_before)).collect();
    stream::iter(removals).buffer_unordered(SCRIPTS_AT_ONCE).try_fold(0, async |sum, one| Ok(sum + one)).await
}

/// Returns 1 if the session was dead before, and 0 otherwise.
async fn remove_one(
    database: &Database,
    handle: SessionHandle,
    dead_before: Timestamp,
) -> Result<u64, StoreError> {
    let key = database.keys.row(handle);
    let request = Request::script(&database.scripts.purge, &key, &[&dead_before.as_millis().to_be_bytes()]);
    let Some(subject) = database.query::<Option<String>>(request).await? else { return Ok(0) };
    subject_index::remove(database, &Subject::new(subject), &[handle]).await;
    Ok(1)
}
