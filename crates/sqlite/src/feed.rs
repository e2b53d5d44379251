//! The feed of ended sessions and outdated claims.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_channel::mpsc::{self, UnboundedReceiver, UnboundedSender};
use rusqlite::{Connection, Row};
use tower_refresh_core::{FeedWatcher, SessionHandle, StoreError, Timestamp};

use crate::{error::store_error, row::Column};

/// How often to look for notices of other processes. Each query takes some microseconds.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
const MAX_NOTICES: usize = 1000;
/// The kinds of notices. The triggers write the first.
const SESSION_END: i64 = 0;
pub(crate) const OUTDATED_CLAIMS: i64 = 1;

/// What [`read_notice`] reads. The epoch is that of the row, which is never smaller than at the time of the notice; there is none if
/// the session has ended or its row was purged.
macro_rules! notices {
    ($where:literal) => {
        concat!(
            "SELECT kind, ends.handle, at, claims_epoch, number FROM ends LEFT JOIN sessions
               ON kind = 1 AND sessions.handle = ends.handle AND ended_at IS NULL
             WHERE ",
            $where
        )
    };
}
pub(crate) use notices;

const LATER: &str = notices!("number > ?1 ORDER BY number LIMIT ?2");

/// Connects the watchers, the writer and the thread that reads the feed.
#[derive(Default)]
pub(crate) struct Feed {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    watchers: Vec<Watcher>,
    /// Whether there may be notices that were not read.
    stale: bool,
    closed: bool,
}

struct Watcher {
    /// The number of the last notice that was sent.
    last: i64,
    sender: UnboundedSender<Result<Notice, StoreError>>,
}

/// What the feed reports.
#[derive(Clone, Copy)]
pub(crate) enum Notice {
    Ended(SessionHandle, Timestamp),
    Outdated(SessionHandle, u32),
    /// A later version wrote a notice of another kind.
    Unknown,
}

impl Notice {
    pub(crate) fn report(self, watcher: &dyn FeedWatcher) {
        match self {
            Self::Ended(session, at) => watcher.ended(session, at),
            Self::Outdated(session, epoch) => watcher.outdated(session, epoch),
            Self::Unknown => watcher.unknown_notice(),
        }
    }
}

/// An entry of the feed.
struct Entry {
    number: i64,
    /// `None` if there is nothing to report any more.
    notice: Option<Notice>,
}

impl Feed {
    /// Subscribes to the notices with a number above `last`.
    pub(crate) fn subscribe(&self, last: i64) -> UnboundedReceiver<Result<Notice, StoreError>> {
        let (sender, notices) = mpsc::unbounded();
        let mut state = self.lock();
        state.watchers.push(Watcher { last, sender });
        state.stale = true;
        self.changed.notify_one();
        notices
    }

    /// Makes the thread look for new notices.
    pub(crate) fn refresh(&self) {
        let mut state = self.lock();
        state.stale = true;
        if !state.watchers.is_empty() {
            self.changed.notify_one();
        }
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// Reads notices while there are watchers, and sends them.
    pub(crate) fn run(&self, connection: &Connection) {
        while let Some(last) = self.wait() {
            match entries_after(connection, last) {
                Ok(entries) => self.send(&entries),
                Err(error) => self.fail(&store_error(error)),
            }
        }
    }

    /// Waits until it is time to look. Returns the number of the last notice that every watcher has received.
    fn wait(&self) -> Option<i64> {
        let mut state = self.lock();
        let mut waited = false;
        loop {
            if state.closed {
                return None;
            }
            state.watchers.retain(|watcher| !watcher.sender.is_closed());
            let last = state.watchers.iter().map(|watcher| watcher.last).min();
            if last.is_some() && (waited || state.stale) {
                state.stale = false;
                return last;
            }
            state = if last.is_some() {
                let (state, timeout) =
                    self.changed.wait_timeout(state, POLL_INTERVAL).unwrap_or_else(PoisonError::into_inner);
                waited = timeout.timed_out();
                state
            } else {
                self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
            };
        }
    }

    fn send(&self, entries: &[Entry]) {
        let mut state = self.lock();
        for watcher in &mut state.watchers {
            let last = watcher.last;
            for entry in entries.iter().filter(|entry| entry.number > last) {
                if let Some(notice) = entry.notice {
                    // A watcher that has stopped is removed in `wait`.
                    let _ = watcher.sender.unbounded_send(Ok(notice));
                }
                watcher.last = entry.number;
            }
        }
        state.stale |= entries.len() == MAX_NOTICES;
    }

    /// Fails all watchers. They subscribe again.
    fn fail(&self, error: &StoreError) {
        for watcher in self.lock().watchers.drain(..) {
            let _ = watcher.sender.unbounded_send(Err(error.clone()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn entries_after(connection: &Connection, last: i64) -> rusqlite::Result<Vec<Entry>> {
    let mut statement = connection.prepare_cached(LATER)?;
    let entries = statement.query_map((last, MAX_NOTICES), |columns| {
        Ok(Entry { number: columns.get(4)?, notice: read_notice(columns)? })
    })?;
    entries.collect()
}

/// Reads what [`notices!`] selects. `None` if there is nothing to report: the claims are those of a session that has ended.
pub(crate) fn read_notice(columns: &Row<'_>) -> rusqlite::Result<Option<Notice>> {
    let session = || columns.get(1).map(|Column(handle)| handle);
    Ok(match columns.get(0)? {
        SESSION_END => {
            let Column(at) = columns.get(2)?;
            Some(Notice::Ended(session()?, at))
        }
        OUTDATED_CLAIMS => match columns.get(3)? {
            Some(epoch) => Some(Notice::Outdated(session()?, epoch)),
            None => None,
        },
        _ => Some(Notice::Unknown),
    })
}
