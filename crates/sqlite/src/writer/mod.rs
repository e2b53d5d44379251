//! The thread that writes. All waiting writes share a transaction, so that one sync to disk serves many.
//!
//! The next group gathers while the current one is synced, so no write waits for others to join: a single write is committed
//! immediately.
//!
//! While there is nothing to write, this thread also loads. SQLite discards the page cache of a connection when another
//! connection has written, so only the cache of this one stays warm.

mod checkpoint;
mod create;
mod end;
mod end_subject;
mod job;
mod outdate;
mod pace;
mod purge_dead;
mod swap;

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use rusqlite::Connection;
use tower_refresh_core::StoreError;

pub(crate) use self::job::Write;
use self::pace::Pace;
pub(crate) use self::{
    checkpoint::Checkpoints, create::Create, end::End, end_subject::EndSubject, job::Job, outdate::Outdate,
    purge_dead::PurgeDead, swap::Swap,
};
use crate::{error::store_error, feed::Feed, queue::Queue, reader::Load};

/// A write of any kind, and the channel for its result.
pub(crate) type AnyJob = Box<dyn job::AnyJob>;

/// The largest group, so that no write waits long for those before it.
const MAX_JOBS: usize = 512;

/// What waits for the writer, and how much it has done.
pub(crate) struct Writes {
    pub(crate) queue: Queue<Work>,
    pub(crate) written: AtomicU64,
    pub(crate) commits: AtomicU64,
}

impl Default for Writes {
    fn default() -> Self {
        Self { queue: Queue::new(), written: AtomicU64::new(0), commits: AtomicU64::new(0) }
    }
}

pub(crate) enum Work {
    Write(AnyJob),
    /// Pushed only while the writer is idle, so a load never waits for a commit.
    Load(Load),
}

pub(crate) fn run(connection: &Connection, writes: &Writes, feed: &Feed, checkpoints: &Checkpoints) {
    let mut pace = Pace::new();
    while let Some(next) = writes.queue.take(next) {
        match next {
            Next::Load(load) => load.run(connection),
            Next::Group(group) => {
                write(connection, group, &mut pace, writes, feed);
                checkpoints.after_commit(connection);
            }
        }
    }
}

enum Next {
    Group(VecDeque<AnyJob>),
    Load(Load),
}

/// The next load, or the next group of writes with at most one long job.
fn next(waiting: &mut VecDeque<Work>) -> Next {
    let (mut group, mut long) = (VecDeque::new(), 0);
    while group.len() < MAX_JOBS
        && let Some(work) = waiting.pop_front()
    {
        match work {
            Work::Load(load) if group.is_empty() => return Next::Load(load),
            Work::Write(job) if long == 0 || !job.is_long() => {
                long += usize::from(job.is_long());
                group.push_back(job);
            }
            later => {
                waiting.push_front(later);
                break;
            }
        }
    }
    Next::Group(group)
}

fn write(
    connection: &Connection,
    mut group: VecDeque<AnyJob>,
    pace: &mut Pace,
    writes: &Writes,
    feed: &Feed,
) {
    let started = Instant::now();
    let committed = commit(connection, &mut group, pace.rows());
    if group.iter().any(|job| job.is_long()) {
        pace.adapt(started.elapsed());
    }
    if committed.is_ok() {
        writes.written.fetch_add(group.len() as u64, Ordering::Relaxed);
        writes.commits.fetch_add(1, Ordering::Relaxed);
        if group.iter().any(|job| job.may_notify()) {
            feed.refresh();
        }
    }
    for job in group {
        if let Some(rest) = job.finish(committed.as_ref().copied()) {
            writes.queue.push(Work::Write(rest));
        }
    }
}

/// Runs all jobs in one transaction. A failed job does not affect the others, unless the transaction fails.
fn commit(connection: &Connection, group: &mut VecDeque<AnyJob>, rows: usize) -> Result<(), StoreError> {
    execute(connection, "BEGIN IMMEDIATE")?;
    for job in group {
        let error = job.run(connection, rows);
        // After a full disk or a failed read, SQLite rolls back the transaction. Further jobs would write outside of it.
        if let Some(error) = error
            && connection.is_autocommit()
        {
            return Err(error);
        }
    }
    execute(connection, "COMMIT").inspect_err(|_| roll_back(connection))
}

fn roll_back(connection: &Connection) {
    if !connection.is_autocommit() {
        // If this fails too, the transaction stays open, and the next group fails at `BEGIN`.
        let _ = execute(connection, "ROLLBACK");
    }
}

fn execute(connection: &Connection, statement: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(statement)
        .and_then(|mut statement| statement.execute([]))
        .map_err(store_error)?;
    Ok(())
}
