//! The feed of ended sessions.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_channel::mpsc::{self, UnboundedReceiver, UnboundedSender};
use rusqlite::Connection;
use tower_refresh_core::{SessionHandle, StoreError, Timestamp};

use crate::{error::store_error, row::Column};

/// How often to look for session ends by other processes. Each query takes some microseconds.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
const MAX_ENDS: usize = 1000;
/// The kind of a notice of a session end.
const SESSION_END: i64 = 0;

const LATER_ENDS: &str =
    "SELECT number, handle, at, kind FROM ends WHERE number > ?1 ORDER BY number LIMIT ?2";

/// Connects the watchers, the writer and the thread that reads the feed.
#[derive(Default)]
pub(crate) struct Feed {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    watchers: Vec<Watcher>,
    /// Whether there may be session ends that were not read.
    stale: bool,
    closed: bool,
}

struct Watcher {
    /// The number of the last session end that was sent.
    last: i64,
    sender: UnboundedSender<Notice>,
}

/// The session that ended, and when. `None` if a later version wrote a notice of another kind.
type Notice = Result<Option<(SessionHandle, Timestamp)>, StoreError>;

/// An entry of the feed.
struct End {
    number: i64,
    /// As in [`Notice`].
    end: Option<(SessionHandle, Timestamp)>,
}

impl Feed {
    /// Subscribes to the session ends with a number above `last`.
    pub(crate) fn subscribe(&self, last: i64) -> UnboundedReceiver<Notice> {
        let (sender, ends) = mpsc::unbounded();
        let mut state = self.lock();
        state.watchers.push(Watcher { last, sender });
        state.stale = true;
        self.changed.notify_one();
        ends
    }

    /// Makes the thread look for new session ends.
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

    /// Reads session ends while there are watchers, and sends them.
    pub(crate) fn run(&self, connection: &Connection) {
        while let Some(last) = self.wait() {
            match ends_after(connection, last) {
                Ok(ends) => self.send(&ends),
                Err(error) => self.fail(&store_error(error)),
            }
        }
    }

    /// Waits until it is time to look. Returns the number of the last session end that every watcher has received.
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

    fn send(&self, ends: &[End]) {
        let mut state = self.lock();
        for watcher in &mut state.watchers {
            let last = watcher.last;
            for end in ends.iter().filter(|end| end.number > last) {
                // A watcher that has stopped is removed in `wait`.
                let _ = watcher.sender.unbounded_send(Ok(end.end));
                watcher.last = end.number;
            }
        }
        state.stale |= ends.len() == MAX_ENDS;
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

fn ends_after(connection: &Connection, last: i64) -> rusqlite::Result<Vec<End>> {
    let mut statement = connection.prepare_cached(LATER_ENDS)?;
    let ends = statement.query_map((last, MAX_ENDS), |columns| {
        let number = columns.get(0)?;
        if columns.get::<_, i64>(3)? != SESSION_END {
            return Ok(End { number, end: None });
        }
        let (Column(handle), Column(at)) = (columns.get(1)?, columns.get(2)?);
        Ok(End { number, end: Some((handle, at)) })
    })?;
    ends.collect()
}
