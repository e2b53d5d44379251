//! Recently ended sessions: a stream with an entry for each session that was about to be ended.
//!
//! The row of a session shows whether it was ended. Entries are removed when they are older than the feed's window, by the
//! clock of Redis.
//!
//! An entry has the fields `h` (the handle) and `t` (when the session ended, eight bytes). Later versions may add fields, which are
//! ignored. Entries of other kinds have a field `k`, and are ignored too.

use std::{collections::HashMap, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use redis::{Value, cmd};
use tokio::time::Instant;
use tower_refresh_core::{Ended, FeedWatcher, SessionHandle, StoreError, StoreErrorKind, Timestamp};

use crate::{connection::Request, database::Database, keyspace::row};

const APPENDS_AT_ONCE: usize = 250;
const ENTRIES_AT_ONCE: usize = 1000;
const ROWS_AT_ONCE: usize = 128;
/// The index of the last byte that `row::decode_ended` reads.
const LAST_ENDED_BYTE: usize = 17;
/// The row of an entry is written within this time, or never.
const WRITTEN_WITHIN: Duration = Duration::from_secs(60);

/// Appends entries for sessions that are about to be ended.
pub(crate) async fn append(
    database: &Database,
    handles: &[SessionHandle],
    at: Timestamp,
) -> Result<(), StoreError> {
    let (key, window) = (database.keys.log(), database.feed_window.as_millis().to_string());
    let at = at.as_millis().to_be_bytes();
    for handles in handles.chunks(APPENDS_AT_ONCE) {
        let mut arguments: Vec<&[u8]> = vec![window.as_bytes(), &at];
        arguments.extend(handles.iter().map(|handle| handle.as_bytes().as_slice()));
        database.query::<()>(Request::script(&database.scripts.log, &key, &arguments)).await?;
    }
    Ok(())
}

/// A reader of the log.
pub(crate) struct Log {
    since: Timestamp,
    /// The last entry that was read.
    last: Option<String>,
    /// Entries whose sessions are not ended yet.
    pending: Vec<(Entry, Instant)>,
}

#[derive(Clone, Copy)]
struct Entry {
    handle: SessionHandle,
    at: Timestamp,
}

impl Log {
    /// Reads the ends at `since` and later, if the log reaches back that far.
    pub(crate) async fn since(database: &Database, since: Timestamp) -> Result<Self, StoreError> {
        let (seconds, _): (u64, u64) = database.query(Request::Command(cmd("TIME"))).await?;
        let reaches_back_to = Timestamp::from_secs(seconds).saturating_sub(database.feed_window);
        if since < reaches_back_to && was_trimmed(database).await? {
            return Err(StoreError::with_source(
                StoreErrorKind::Unavailable,
                "the requested time is before the feed's window",
            ));
        }
        Ok(Self { since, last: None, pending: Vec::new() })
    }

    /// Reads new entries, and reports the sessions that have ended.
    pub(crate) async fn report_new(
        &mut self,
        database: &Database,
        watcher: &dyn FeedWatcher,
    ) -> Result<(), StoreError> {
        loop {
            let read = self.read_some(database, watcher).await?;
            self.report_ended(database, watcher).await?;
            if read < ENTRIES_AT_ONCE {
                return Ok(());
            }
        }
    }

    async fn read_some(
        &mut self,
        database: &Database,
        watcher: &dyn FeedWatcher,
    ) -> Result<usize, StoreError> {
        let mut range = cmd("XRANGE");
        range.arg(database.keys.log());
        match &self.last {
            Some(last) => range.arg(format!("({last}")),
            None => range.arg("-"),
        };
        range.arg("+").arg("COUNT").arg(ENTRIES_AT_ONCE);
        let entries: Vec<(String, Vec<Vec<u8>>)> = database.query(Request::Command(range)).await?;
        let (read, now) = (entries.len(), Instant::now());
        for (id, fields) in entries {
            // An entry of another kind, which a later version wrote, is ignored.
            match Entry::read(&fields) {
                Some(entry) if entry.at >= self.since => self.pending.push((entry, now)),
                Some(_) => {}
                None => watcher.unknown_notice(),
            }
            self.last = Some(id);
        }
        Ok(read)
    }

    async fn report_ended(
        &mut self,
        database: &Database,
        watcher: &dyn FeedWatcher,
    ) -> Result<(), StoreError> {
        let pending = std::mem::take(&mut self.pending);
        let states: Vec<_> = pending.iter().map(|&(entry, _)| ended_at(database, entry)).collect();
        let states: Vec<_> = stream::iter(states).buffered(ROWS_AT_ONCE).try_collect().await?;
        for ((entry, seen), state) in pending.into_iter().zip(states) {
            match state {
                Some(at) if at >= self.since => watcher.ended(entry.handle, at),
                None if seen.elapsed() < WRITTEN_WITHIN => self.pending.push((entry, seen)),
                Some(_) | None => {}
            }
        }
        Ok(())
    }
}

impl Entry {
    fn read(fields: &[Vec<u8>]) -> Option<Self> {
        let value = |wanted: &[u8]| {
            let mut pairs = fields.chunks_exact(2);
            pairs.find_map(|pair| (pair[0] == wanted).then_some(pair[1].as_slice()))
        };
        if value(b"k").is_some() {
            return None;
        }
        Some(Self {
            handle: SessionHandle::from_bytes(value(b"h")?.try_into().ok()?),
            at: Timestamp::from_millis(u64::from_be_bytes(value(b"t")?.try_into().ok()?)),
        })
    }
}

/// When and why the session ended, if it has ended. `None` if it does not exist.
pub(crate) async fn state(
    database: &Database,
    handle: SessionHandle,
) -> Result<Option<Option<Ended>>, StoreError> {
    let mut get = cmd("GETRANGE");
    get.arg(database.keys.row(handle)).arg(0).arg(LAST_ENDED_BYTE);
    let head: Vec<u8> = database.query(Request::Command(get)).await?;
    if head.is_empty() {
        return Ok(None);
    }
    row::decode_ended(&head).map(Some).map_err(|_| StoreError::new(StoreErrorKind::Corrupt))
}

/// When the session of the entry ended. One without a row is reported as ended: it was ended or has expired, so its tokens must
/// not work either way.
async fn ended_at(database: &Database, entry: Entry) -> Result<Option<Timestamp>, StoreError> {
    Ok(match state(database, entry.handle).await? {
        None => Some(entry.at),
        Some(ended) => ended.map(|ended| ended.at),
    })
}

/// Whether entries were removed.
async fn was_trimmed(database: &Database) -> Result<bool, StoreError> {
    let (mut exists, mut info) = (cmd("EXISTS"), cmd("XINFO"));
    exists.arg(database.keys.log());
    if !database.query::<bool>(Request::Command(exists)).await? {
        return Ok(false);
    }
    info.arg("STREAM").arg(database.keys.log());
    let info: HashMap<String, Value> = database.query(Request::Command(info)).await?;
    let number = |name: &str| match info.get(name) {
        Some(Value::Int(number)) => Some(*number),
        _ => None,
    };
    Ok(number("entries-added") != number("length"))
}
