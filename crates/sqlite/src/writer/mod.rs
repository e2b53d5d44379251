//! The thread that writes: all that waits goes into one transaction, so that one sync to the disk serves many.
//!
//! While one group is synced the next gathers by itself, so nobody waits for company: a write that comes alone is
//! committed alone, at once.
//!
//! While it has nothing to write it loads as well: SQLite lets a connection forget its pages when another one has written, so
//! this is the only one that still has them.

mod create;
mod end;
mod end_subject;
mod job;
mod pace;
mod purge;
mod swap;

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use rusqlite::Connection;

pub(crate) use self::job::Write;
use self::pace::Pace;
pub(crate) use self::{
    create::Create, end::End, end_subject::EndSubject, job::Job, purge::Purge, swap::Swap,
};
use crate::{checkpoint::Checkpoints, error::Failure, feed::Feed, queue::Queue, reader::Load};

/// A write of whichever kind, and where its answer goes.
pub(crate) type AnyJob = Box<dyn job::AnyJob>;

/// More are not committed at once, so that no write waits long for those before it.
const JOBS_AT_ONCE: usize = 512;

/// What waits for the writer, and what it has done so far.
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
    /// Comes only while the writer is idle, so none waits for a commit or behind one.
    Load(Load),
}

pub(crate) fn run(connection: &Connection, writes: &Writes, feed: &Feed, checkpoints: &Checkpoints) {
    let mut pace = Pace::new();
    while let Some(next) = writes.queue.take(next) {
        match next {
            Next::Load(load) => load.answer(connection),
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

/// What comes first, with one long job at most.
fn next(waiting: &mut VecDeque<Work>) -> Next {
    let (mut group, mut long) = (VecDeque::new(), 0);
    while group.len() < JOBS_AT_ONCE
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
        pace.learn(started.elapsed());
    }
    if committed.is_ok() {
        writes.written.fetch_add(group.len() as u64, Ordering::Relaxed);
        writes.commits.fetch_add(1, Ordering::Relaxed);
        if group.iter().any(|job| job.may_end()) {
            feed.look();
        }
    }
    for job in group {
        if let Some(rest) = job.settle(committed.as_ref().copied()) {
            writes.queue.push(Work::Write(rest));
        }
    }
}

/// Runs all jobs in one transaction. A job that fails leaves the others in; only what fails the transaction fails all.
fn commit(connection: &Connection, group: &mut VecDeque<AnyJob>, rows: usize) -> Result<(), Failure> {
    execute(connection, "BEGIN IMMEDIATE")?;
    for job in group {
        let failure = job.run(connection, rows);
        // A full disk or a failed read takes the whole transaction back; going on would write outside of it.
        if let Some(failure) = failure
            && connection.is_autocommit()
        {
            return Err(failure);
        }
    }
    execute(connection, "COMMIT").inspect_err(|_| roll_back(connection))
}

fn roll_back(connection: &Connection) {
    if !connection.is_autocommit() {
        // If it fails too, there is a transaction still, in which the next group cannot begin: it fails as it should.
        let _ = execute(connection, "ROLLBACK");
    }
}

fn execute(connection: &Connection, statement: &str) -> Result<(), Failure> {
    connection.prepare_cached(statement)?.execute([])?;
    Ok(())
}
