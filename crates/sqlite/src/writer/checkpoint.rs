//! Checkpoints: a thread of their own moves the pages of the log into the file, so that the writer does not wait.
//!
//! By default SQLite makes a checkpoint in the commit that fills the log, and that refresh waits until a thousand pages are
//! on disk. Here a thread does it. The log restarts only after all of it was moved, which never happens while a writer keeps
//! appending, so the writer moves the last few pages.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

/// Pages that are worth a checkpoint: 1 MB. Commits are slower while a checkpoint is synced, so it should be short.
const MANY: i64 = 256;
/// Pages that the writer moves in a moment.
const FEW: i64 = 100;
/// Pages after which the log should restart: 8 MB, in which SQLite finds a page quickly.
const LONG: i64 = 2000;
/// Pages above which the log must not grow: 128 MB.
const TOO_MANY: i64 = 32_000;

/// Connects the writer and the checkpoint thread.
#[derive(Default)]
pub(crate) struct Checkpoints {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    requested: bool,
    closed: bool,
}

/// The number of pages in the log.
struct Log {
    all: i64,
    moved: i64,
}

impl Checkpoints {
    /// Called by the writer between transactions. Errors are ignored: the next write reports them.
    pub(crate) fn after_commit(&self, connection: &Connection) {
        // NOOP moves no page and counts them.
        let Ok(log) = checkpoint(connection, "PRAGMA wal_checkpoint(NOOP)") else { return };
        let left = log.all - log.moved;
        if log.all >= TOO_MANY {
            self.wait_until_idle();
        }
        if log.all >= TOO_MANY || (log.all >= LONG && left <= FEW) {
            let _ = checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)");
        } else if left >= MANY {
            self.request();
        }
    }

    /// Makes the checkpoints that the writer requests.
    pub(crate) fn run(&self, connection: &Connection) {
        while self.wait_for_request() {
            let _ = checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)");
            self.lock().requested = false;
            self.changed.notify_all();
        }
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn request(&self) {
        let mut state = self.lock();
        if !state.requested {
            state.requested = true;
            self.changed.notify_all();
        }
    }

    fn wait_until_idle(&self) {
        let state = self.lock();
        drop(self.changed.wait_while(state, |state| state.requested && !state.closed));
    }

    fn wait_for_request(&self) -> bool {
        let state = self.lock();
        let state = self.changed.wait_while(state, |state| !state.requested && !state.closed);
        !state.unwrap_or_else(PoisonError::into_inner).closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn checkpoint(connection: &Connection, statement: &str) -> rusqlite::Result<Log> {
    connection
        .prepare_cached(statement)?
        .query_row([], |columns| Ok(Log { all: columns.get(1)?, moved: columns.get(2)? }))
}
