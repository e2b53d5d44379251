//! Checkpoints: the log's pages go into the file beside the writer, not in its way.
//!
//! By itself SQLite lets the commit that fills the log carry its pages over, and that commit's refresh waits for a thousand
//! of them to reach the disk. Here a thread does it. The log starts over only when all of it was carried over, which never
//! comes true while a writer goes on adding to it; so the writer does the last, short piece.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

/// Worth a checkpoint: 1 MB. While its pages are synced, commits wait longer for the disk, so it had better be short.
const MANY: i64 = 256;
/// So few that the writer carries them over in a moment.
const FEW: i64 = 100;
/// Worth starting over: 8 MB, within which pages are found quickly.
const LONG: i64 = 2000;
/// So many that the log must not grow any more: 128 MB.
const TOO_MANY: i64 = 32_000;

/// Where the writer and the thread of checkpoints meet.
#[derive(Default)]
pub(crate) struct Checkpoints {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    wanted: bool,
    closed: bool,
}

/// Pages in the log.
struct Log {
    all: i64,
    carried_over: i64,
}

impl Checkpoints {
    /// Called by the writer between transactions. Whatever fails here fails again where it matters, in a write.
    pub(crate) fn after_commit(&self, connection: &Connection) {
        // NOOP carries nothing over and counts the pages.
        let Ok(log) = checkpoint(connection, "PRAGMA wal_checkpoint(NOOP)") else { return };
        let left = log.all - log.carried_over;
        if log.all >= TOO_MANY {
            self.wait_until_idle();
        }
        if log.all >= TOO_MANY || (log.all >= LONG && left <= FEW) {
            let _ = checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)");
        } else if left >= MANY {
            self.want();
        }
    }

    /// Makes checkpoints as the writer asks for them.
    pub(crate) fn run(&self, connection: &Connection) {
        while self.wait_until_wanted() {
            let _ = checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)");
            self.lock().wanted = false;
            self.changed.notify_all();
        }
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn want(&self) {
        let mut state = self.lock();
        if !state.wanted {
            state.wanted = true;
            self.changed.notify_all();
        }
    }

    fn wait_until_idle(&self) {
        let state = self.lock();
        drop(self.changed.wait_while(state, |state| state.wanted && !state.closed));
    }

    fn wait_until_wanted(&self) -> bool {
        let state = self.lock();
        let state = self.changed.wait_while(state, |state| !state.wanted && !state.closed);
        !state.unwrap_or_else(PoisonError::into_inner).closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn checkpoint(connection: &Connection, statement: &str) -> rusqlite::Result<Log> {
    connection
        .prepare_cached(statement)?
        .query_row([], |columns| Ok(Log { all: columns.get(1)?, carried_over: columns.get(2)? }))
}
