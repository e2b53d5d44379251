//! Waits for the locks of other processes.

use std::{
    cell::Cell,
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;

thread_local! {
    static TIMEOUT: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static STARTED: Cell<Option<Instant>> = const { Cell::new(None) };
}

pub(crate) const LOCK_PAUSE: Duration = Duration::from_micros(500);

/// Sets how long the statements of this thread wait. Without it they do not wait.
pub(crate) fn set_lock_timeout(timeout: Duration) {
    TIMEOUT.set(timeout);
}

/// Makes the statements of a connection wait as long as the thread that runs them allows.
///
/// SQLite's default handler sleeps for up to 100 ms, and starves while another process writes without pause. Before
/// version 0.41 rusqlite takes only a function that captures nothing, so the time is kept per thread.
pub(crate) fn wait_for_locks(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_handler(Some(pause))
}

/// SQLite calls this in the thread that runs the statement, with the number of earlier calls for the same lock.
fn pause(tries: i32) -> bool {
    let now = Instant::now();
    if tries == 0 {
        STARTED.set(Some(now));
    }
    thread::sleep(LOCK_PAUSE);
    STARTED.get().is_some_and(|started| now.duration_since(started) < TIMEOUT.get())
}
