//! Ends of sessions, told to those who watch.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_channel::mpsc::{self, UnboundedReceiver, UnboundedSender};
use rusqlite::Connection;
use tower_refresh_core::{SessionHandle, Timestamp};

use crate::{error::Failure, row::Column};

/// How long an end by another process stays unnoticed; one look takes some microseconds.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const ENDS_AT_ONCE: usize = 1000;

const LATER_ENDS: &str = "SELECT number, handle, at FROM ends WHERE number > ?1 ORDER BY number LIMIT ?2";

/// Where those who watch, the writer, and the thread that reads the feed meet.
#[derive(Default)]
pub(crate) struct Feed {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    watchers: Vec<Watcher>,
    /// Whether there may be more to read than was read.
    look: bool,
    closed: bool,
}

struct Watcher {
    /// The number of the last end it knows.
    last: i64,
    told: UnboundedSender<Result<(SessionHandle, Timestamp), Failure>>,
}

struct End {
    number: i64,
    handle: SessionHandle,
    at: Timestamp,
}

impl Feed {
    /// The ends with a number above `last`.
    pub(crate) fn follow(&self, last: i64) -> UnboundedReceiver<Result<(SessionHandle, Timestamp), Failure>> {
        let (told, ends) = mpsc::unbounded();
        let mut state = self.lock();
        state.watchers.push(Watcher { last, told });
        state.look = true;
        self.changed.notify_one();
        ends
    }

    /// There may be new ends.
    pub(crate) fn look(&self) {
        let mut state = self.lock();
        state.look = true;
        if !state.watchers.is_empty() {
            self.changed.notify_one();
        }
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// Reads ends as they come, for as long as there are watchers.
    pub(crate) fn run(&self, connection: &Connection) {
        while let Some(last) = self.wait() {
            match ends_after(connection, last) {
                Ok(ends) => self.tell(&ends),
                Err(error) => self.fail(&error.into()),
            }
        }
    }

    /// Waits until it is time to look; returns the number of the last end that every watcher knows.
    fn wait(&self) -> Option<i64> {
        let mut state = self.lock();
        let mut waited = false;
        loop {
            if state.closed {
                return None;
            }
            state.watchers.retain(|watcher| !watcher.told.is_closed());
            let last = state.watchers.iter().map(|watcher| watcher.last).min();
            if last.is_some() && (waited || state.look) {
                state.look = false;
                return last;
            }
            state = if last.is_some() {
                let (state, timeout) =
                    self.changed.wait_timeout(state, LOOK_EVERY).unwrap_or_else(PoisonError::into_inner);
                waited = timeout.timed_out();
                state
            } else {
                self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
            };
        }
    }

    fn tell(&self, ends: &[End]) {
        let mut state = self.lock();
        for watcher in &mut state.watchers {
            let last = watcher.last;
            for end in ends.iter().filter(|end| end.number > last) {
                // Whoever stopped watching is forgotten at the next look.
                let _ = watcher.told.unbounded_send(Ok((end.handle, end.at)));
                watcher.last = end.number;
            }
        }
        state.look |= ends.len() == ENDS_AT_ONCE;
    }

    /// Watchers start again by themselves, from what they know.
    fn fail(&self, failure: &Failure) {
        for watcher in self.lock().watchers.drain(..) {
            let _ = watcher.told.unbounded_send(Err(failure.clone()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ends_after(connection: &Connection, last: i64) -> rusqlite::Result<Vec<End>> {
    let mut statement = connection.prepare_cached(LATER_ENDS)?;
    let ends = statement.query_map((last, ENDS_AT_ONCE), |columns| {
        let (Column(handle), Column(at)) = (columns.get(1)?, columns.get(2)?);
        Ok(End { number: columns.get(0)?, handle, at })
    })?;
    ends.collect()
}
