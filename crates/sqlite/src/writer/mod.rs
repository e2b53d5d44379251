//! The thread that writes: all that waits goes into one transaction, so that one sync to the disk serves many.
//!
//! While one group is synced the next gathers by itself, so nobody waits for company: a write that comes alone is
//! committed alone, at once.

mod create;
mod end;
mod end_subject;
mod job;
mod pace;
mod purge;
mod swap;

use std::{
    collections::VecDeque,
    mem,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use rusqlite::Connection;

pub(crate) use self::job::Write;
use self::pace::Pace;
pub(crate) use self::{
    create::Create, end::End, end_subject::EndSubject, job::Job, purge::Purge, swap::Swap,
};
use crate::{error::Failure, store::Shared};

/// A write of whichever kind, and where its answer goes.
pub(crate) type AnyJob = Box<dyn job::AnyJob>;

/// More are not committed at once, so that no write waits long for those before it.
const JOBS_AT_ONCE: usize = 512;

/// What the writer has done so far.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) writes: AtomicU64,
    pub(crate) commits: AtomicU64,
}

pub(crate) fn run(connection: &Connection, shared: &Shared) {
    let mut pace = Pace::new();
    while let Some(mut group) = shared.writes.take(group) {
        let started = Instant::now();
        let committed = commit(connection, &mut group, pace.rows());
        if group.iter().any(|job| job.is_long()) {
            pace.learn(started.elapsed());
        }
        if committed.is_ok() {
            shared.counts.writes.fetch_add(group.len() as u64, Ordering::Relaxed);
            shared.counts.commits.fetch_add(1, Ordering::Relaxed);
            if group.iter().any(|job| job.may_end()) {
                shared.feed.look();
            }
        }
        for job in group {
            if let Some(rest) = job.settle(committed.as_ref().copied()) {
                shared.writes.push(rest);
            }
        }
        shared.checkpoints.after_commit(connection);
    }
}

/// What comes first, with one long job at most.
fn group(waiting: &mut VecDeque<AnyJob>) -> VecDeque<AnyJob> {
    let mut long = 0;
    let fits = |job: &&AnyJob| {
        long += usize::from(job.is_long());
        long <= 1
    };
    let len = waiting.iter().take(JOBS_AT_ONCE).take_while(fits).count();
    if len == waiting.len() { mem::take(waiting) } else { waiting.drain(..len).collect() }
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
