//! The threads that read.

use std::collections::VecDeque;

use futures_channel::oneshot::Sender;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use tower_refresh_core::{SessionHandle, SessionRow, Subject, Timestamp};

use crate::{
    error::Failure,
    queue::Queue,
    row::{self, Column, columns},
};

/// What is asked of a reader, and where the answer goes.
pub(crate) enum Read {
    Load(Load),
    List(Subject, Timestamp, Sender<Result<Vec<SessionRow>, Failure>>),
    Ends(Timestamp, Sender<Result<Ends, Failure>>),
}

pub(crate) struct Load {
    pub(crate) handle: SessionHandle,
    pub(crate) reply: Sender<Result<Option<SessionRow>, Failure>>,
}

/// What ended so far.
pub(crate) struct Ends {
    pub(crate) told: Vec<(SessionHandle, Timestamp)>,
    /// The number of the last end that is stored, whether it was asked for or not.
    pub(crate) last: i64,
}

const LOADS_AT_ONCE: usize = 32;

const LOAD: &str = concat!("SELECT ", columns!(), " FROM sessions WHERE handle = ?1");
const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM sessions WHERE subject = ?1 AND ended_at IS NULL AND idle_expiry > ?2 AND absolute_expiry > ?2
      ORDER BY created_at DESC, handle DESC"
);
const LAST_END: &str = "SELECT ifnull(max(number), 0) FROM ends";
const ENDS: &str = "SELECT handle, at FROM ends WHERE at >= ?1";

pub(crate) fn run(mut connection: Connection, reads: &Queue<Read>) {
    while let Some(batch) = reads.take(batch) {
        answer(&mut connection, batch);
    }
}

/// Several loads share a snapshot; what may take long is left to one reader alone, while others go on.
fn batch(waiting: &mut VecDeque<Read>) -> Vec<Read> {
    let loads = waiting.iter().take(LOADS_AT_ONCE).take_while(|read| matches!(read, Read::Load(_)));
    let len = loads.count().max(1);
    waiting.drain(..len).collect()
}

/// The snapshot is taken after the questions were, so whatever was acknowledged before a question is in its answer.
fn answer(connection: &mut Connection, batch: Vec<Read>) {
    if batch.len() == 1 {
        // A single statement has a snapshot of its own.
        return answer_each(connection, batch);
    }
    match connection.transaction_with_behavior(TransactionBehavior::Deferred) {
        Ok(snapshot) => answer_each(&snapshot, batch),
        Err(error) => {
            let failure = Failure::from(error);
            batch.into_iter().for_each(|read| read.fail(&failure));
        }
    }
}

/// Nobody listens to an answer whose future was dropped.
fn answer_each(connection: &Connection, batch: Vec<Read>) {
    for read in batch {
        match read {
            Read::Load(load) => load.answer(connection),
            Read::List(subject, now, reply) => {
                drop(reply.send(list(connection, &subject, now).map_err(Into::into)));
            }
            Read::Ends(since, reply) => drop(reply.send(ends(connection, since).map_err(Into::into))),
        }
    }
}

impl Read {
    fn fail(self, failure: &Failure) {
        let failure = failure.clone();
        match self {
            Self::Load(load) => drop(load.reply.send(Err(failure))),
            Self::List(_, _, reply) => drop(reply.send(Err(failure))),
            Self::Ends(_, reply) => drop(reply.send(Err(failure))),
        }
    }
}

impl Load {
    pub(crate) fn answer(self, connection: &Connection) {
        let _ = self.reply.send(load(connection, self.handle).map_err(Into::into));
    }
}

fn load(connection: &Connection, handle: SessionHandle) -> rusqlite::Result<Option<SessionRow>> {
    connection.prepare_cached(LOAD)?.query_row([Column(handle)], row::read).optional()
}

fn list(connection: &Connection, subject: &Subject, now: Timestamp) -> rusqlite::Result<Vec<SessionRow>> {
    let mut statement = connection.prepare_cached(LIST)?;
    statement.query_map(params![subject.as_str(), Column(now)], row::read)?.collect()
}

/// The number is read first: an end that comes between the two is told twice, and none is left out.
fn ends(connection: &Connection, since: Timestamp) -> rusqlite::Result<Ends> {
    let last = connection.prepare_cached(LAST_END)?.query_row([], |columns| columns.get(0))?;
    let mut statement = connection.prepare_cached(ENDS)?;
    let told = statement.query_map([Column(since)], |columns| {
        let (Column(handle), Column(at)) = (columns.get(0)?, columns.get(1)?);
        Ok((handle, at))
    })?;
    Ok(Ends { told: told.collect::<Result<_, _>>()?, last })
}
