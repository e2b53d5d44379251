//! The ends of late: a stream with an entry for each session that was about to be ended.
//!
//! Whether it was ended tells its row. Entries go once they are older than the feed's window, by Redis' clock.

use std::{collections::HashMap, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use redis::{Value, cmd};
use tokio::time::Instant;
use tower_refresh_core::{EndWatcher, Ended, SessionHandle, StoreError, StoreErrorKind, Timestamp};

use crate::{inner::Inner, request::Request, row};

const ENTRIES_AT_ONCE: usize = 1000;
const ROWS_AT_ONCE: usize = 128;
/// The bytes of a row that tell of its end.
const LAST_OF_END: usize = 17;
/// The row of an entry is written a moment later, or never.
const WRITTEN_WITHIN: Duration = Duration::from_secs(60);

/// How far the log was read.
pub(crate) struct Log {
    since: Timestamp,
    /// The last entry that was read.
    last: Option<String>,
    /// Entries whose rows are not ended.
    undecided: Vec<(Entry, Instant)>,
}

#[derive(Clone, Copy)]
struct Entry {
    handle: SessionHandle,
    at: Timestamp,
}

enum State {
    Ended(Timestamp),
    Live,
}

impl Log {
    /// The log of the ends at `since` and later, if it reaches back so far.
    pub(crate) async fn since(inner: &Inner, since: Timestamp) -> Result<Self, StoreError> {
        let (seconds, _): (u64, u64) = inner.ask(Request::Command(cmd("TIME"))).await?;
        let reaches_back_to = Timestamp::from_secs(seconds).saturating_sub(inner.feed_window);
        if since < reaches_back_to && was_cut(inner).await? {
            return Err(StoreError::with_source(
                StoreErrorKind::Unavailable,
                "the feed's window is shorter than what was asked for",
            ));
        }
        Ok(Self { since, last: None, undecided: Vec::new() })
    }

    /// Reads what is new, and tells of what has ended.
    pub(crate) async fn read_on(
        &mut self,
        inner: &Inner,
        watcher: &dyn EndWatcher,
    ) -> Result<(), StoreError> {
        loop {
            let read = self.read_some(inner).await?;
            self.decide(inner, watcher).await?;
            if read < ENTRIES_AT_ONCE {
                return Ok(());
            }
        }
    }

    async fn read_some(&mut self, inner: &Inner) -> Result<usize, StoreError> {
        let mut range = cmd("XRANGE");
        range.arg(inner.keys.log());
        match &self.last {
            Some(last) => range.arg(format!("({last}")),
            None => range.arg("-"),
        };
        range.arg("+").arg("COUNT").arg(ENTRIES_AT_ONCE);
        let entries: Vec<(String, Vec<Vec<u8>>)> = inner.ask(Request::Command(range)).await?;
        let (read, now) = (entries.len(), Instant::now());
        for (id, fields) in entries {
            let entry = Entry::read(&fields).ok_or_else(|| StoreError::new(StoreErrorKind::Corrupt))?;
            if entry.at >= self.since {
                self.undecided.push((entry, now));
            }
            self.last = Some(id);
        }
        Ok(read)
    }

    async fn decide(&mut self, inner: &Inner, watcher: &dyn EndWatcher) -> Result<(), StoreError> {
        let undecided = std::mem::take(&mut self.undecided);
        let states: Vec<_> = undecided.iter().map(|&(entry, _)| state(inner, entry)).collect();
        let states: Vec<_> = stream::iter(states).buffered(ROWS_AT_ONCE).try_collect().await?;
        for ((entry, seen), state) in undecided.into_iter().zip(states) {
            match state {
                State::Ended(at) if at >= self.since => watcher.ended(entry.handle, at),
                State::Live if seen.elapsed() < WRITTEN_WITHIN => self.undecided.push((entry, seen)),
                State::Ended(_) | State::Live => {}
            }
        }
        Ok(())
    }
}

impl Entry {
    fn read(fields: &[Vec<u8>]) -> Option<Self> {
        let [_, handle, _, at] = fields else { return None };
        let at = u64::from_be_bytes(at.as_slice().try_into().ok()?);
        Some(Self {
            handle: SessionHandle::from_bytes(handle.as_slice().try_into().ok()?),
            at: Timestamp::from_millis(at),
        })
    }
}

/// A row that is gone was ended, or nobody has use for its tokens either.
async fn state(inner: &Inner, entry: Entry) -> Result<State, StoreError> {
    let mut get = cmd("GETRANGE");
    get.arg(inner.keys.row(entry.handle)).arg(0).arg(LAST_OF_END);
    let head: Vec<u8> = inner.ask(Request::Command(get)).await?;
    if head.is_empty() {
        return Ok(State::Ended(entry.at));
    }
    let ended = row::decode_end(&head).map_err(|_| StoreError::new(StoreErrorKind::Corrupt))?;
    Ok(ended.map_or(State::Live, |Ended { at, .. }| State::Ended(at)))
}

/// Whether entries have gone already.
async fn was_cut(inner: &Inner) -> Result<bool, StoreError> {
    let (mut exists, mut info) = (cmd("EXISTS"), cmd("XINFO"));
    exists.arg(inner.keys.log());
    if !inner.ask::<bool>(Request::Command(exists)).await? {
        return Ok(false);
    }
    info.arg("STREAM").arg(inner.keys.log());
    let info: HashMap<String, Value> = inner.ask(Request::Command(info)).await?;
    let number = |name: &str| match info.get(name) {
        Some(Value::Int(number)) => Some(*number),
        _ => None,
    };
    Ok(number("entries-added") != number("length"))
}
