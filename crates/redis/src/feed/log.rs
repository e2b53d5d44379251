//! Recently ended sessions and outdated claims: a stream with an entry for each session that was about to be ended, or whose claims
//! were about to be outdated.
//!
//! The row of a session shows whether that happened. Entries are removed when they are older than the feed's window, by the clock of
//! Redis.
//!
//! An entry has the fields `h` (the handle) and `t` (when the session ended, eight bytes). One of outdated claims has the field `k`
//! (the kind, `stale`), and `n` (the epoch that the session was about to get, four bytes). Later versions may add fields, which are
//! ignored. Entries of other kinds, with another `k`, are ignored too.

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
/// The kind of an entry of outdated claims.
const OUTDATED: &[u8] = b"stale";

/// Appends entries for sessions that are about to be ended.
pub(crate) async fn append_ended(
    database: &Database,
    handles: &[SessionHandle],
    at: Timestamp,
) -> Result<(), StoreError> {
    let at = at.as_millis().to_be_bytes();
    for handles in handles.chunks(APPENDS_AT_ONCE) {
        let entries = handles.iter().map(|handle| [&b"h"[..], handle.as_bytes(), b"t", &at]);
        append(database, entries).await?;
    }
    Ok(())
}

/// Appends an entry for a session whose claims are about to be outdated, and which gets this epoch.
pub(crate) async fn append_outdated(
    database: &Database,
    handle: SessionHandle,
    epoch: u32,
    at: Timestamp,
) -> Result<(), StoreError> {
    let (epoch, at) = (epoch.to_be_bytes(), at.as_millis().to_be_bytes());
    append(database, [[&b"k"[..], OUTDATED, b"h", handle.as_bytes(), b"t", &at, b"n", &epoch]]).await
}

async fn append<'a, const WORDS: usize>(
    database: &Database,
    entries: impl IntoIterator<Item = [&'a [u8]; WORDS]>,
) -> Result<(), StoreError> {
    let (key, window) = (database.keys.log(), database.feed_window.as_millis().to_string());
    let words = WORDS.to_string();
    let mut arguments: Vec<&[u8]> = vec![window.as_bytes(), words.as_bytes()];
    for entry in entries {
        arguments.extend(entry);
    }
    database.query(Request::script(&database.scripts.log, &key, &arguments)).await
}

/// A reader of the log.
pub(crate) struct Log {
    since: Timestamp,
    /// The last entry that was read.
    last: Option<String>,
    /// Entries whose sessions are not written yet.
    pending: Vec<(Entry, Instant)>,
}

#[derive(Clone, Copy)]
struct Entry {
    handle: SessionHandle,
    at: Timestamp,
    /// The epoch that the session gets, if the entry is one of outdated claims.
    epoch: Option<u32>,
}

/// What has become of the session of an entry.
enum State {
    Ended(Timestamp),
    Outdated(u32),
    NotWritten,
    /// The session has ended or is gone, so its claims do not matter.
    Over,
}

impl Log {
    /// Reads the entries since `since`, if the log reaches back that far.
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

    /// Reads new entries, and reports what was written.
    pub(crate) async fn report_new(
        &mut self,
        database: &Database,
        watcher: &dyn FeedWatcher,
    ) -> Result<(), StoreError> {
        loop {
            let read = self.read_some(database, watcher).await?;
            self.report_written(database, watcher).await?;
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

    async fn report_written(
        &mut self,
        database: &Database,
        watcher: &dyn FeedWatcher,
    ) -> Result<(), StoreError> {
        let pending = std::mem::take(&mut self.pending);
        let states: Vec<_> = pending.iter().map(|&(entry, _)| entry.state(database)).collect();
        let states: Vec<_> = stream::iter(states).buffered(ROWS_AT_ONCE).try_collect().await?;
        for ((entry, seen), state) in pending.into_iter().zip(states) {
            match state {
                State::Ended(at) if at >= self.since => watcher.ended(entry.handle, at),
                State::Outdated(epoch) => watcher.outdated(entry.handle, epoch),
                State::NotWritten if seen.elapsed() < WRITTEN_WITHIN => self.pending.push((entry, seen)),
                State::Ended(_) | State::NotWritten | State::Over => {}
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
        let epoch = match value(b"k") {
            None => None,
            Some(OUTDATED) => Some(u32::from_be_bytes(value(b"n")?.try_into().ok()?)),
            Some(_) => return None,
        };
        Some(Self {
            epoch,
            handle: SessionHandle::from_bytes(value(b"h")?.try_into().ok()?),
            at: Timestamp::from_millis(u64::from_be_bytes(value(b"t")?.try_into().ok()?)),
        })
    }

    async fn state(self, database: &Database) -> Result<State, StoreError> {
        let Some(awaited) = self.epoch else {
            return Ok(match state(database, self.handle).await? {
                // It was ended or has expired, so its tokens must not work either way.
                None => State::Ended(self.at),
                Some(Some(ended)) => State::Ended(ended.at),
                Some(None) => State::NotWritten,
            });
        };
        let Some(row) = database.value(self.handle).await? else { return Ok(State::Over) };
        Ok(match row::decode_live_epoch(&row) {
            Ok(Some(epoch)) if epoch >= awaited => State::Outdated(epoch),
            Ok(Some(_)) => State::NotWritten,
            Ok(None) => State::Over,
            Err(_) => return Err(StoreError::new(StoreErrorKind::Corrupt)),
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
