//! The threads that read.

mod list;
mod load;
mod notices;

use std::collections::VecDeque;

use futures_channel::oneshot::Sender;
use rusqlite::{Connection, TransactionBehavior};
use tower_refresh_core::{Page, SessionRow, StoreError, Subject, Timestamp};

use self::{list::list, notices::past};
pub(crate) use self::{load::Load, notices::Past};
use crate::{error::store_error, queue::Queue};

/// A query and the channel for its result.
pub(crate) enum Read {
    Load(Load),
    List(Subject, Timestamp, Page, Sender<Result<Vec<SessionRow>, StoreError>>),
    Notices(Timestamp, Sender<Result<Past, StoreError>>),
}

const MAX_LOADS: usize = 32;

pub(crate) fn run(mut connection: Connection, reads: &Queue<Read>) {
    while let Some(batch) = reads.take(batch) {
        run_batch(&mut connection, batch);
    }
}

/// Several loads share a snapshot. A query that may take long is a batch of its own, so that other readers take the rest.
fn batch(waiting: &mut VecDeque<Read>) -> Vec<Read> {
    let loads = waiting.iter().take(MAX_LOADS).take_while(|read| matches!(read, Read::Load(_)));
    let len = loads.count().max(1);
    waiting.drain(..len).collect()
}

/// The snapshot is taken after the queries have arrived, so it includes every write that was acknowledged before.
fn run_batch(connection: &mut Connection, batch: Vec<Read>) {
    if batch.len() == 1 {
        // A single statement has a snapshot of its own.
        return run_each(connection, batch);
    }
    match connection.transaction_with_behavior(TransactionBehavior::Deferred) {
        Ok(snapshot) => run_each(&snapshot, batch),
        Err(error) => {
            let error = store_error(error);
            batch.into_iter().for_each(|read| read.fail(error.clone()));
        }
    }
}

fn run_each(connection: &Connection, batch: Vec<Read>) {
    for read in batch {
        // The receiver of a dropped future is gone.
        match read {
            Read::Load(load) => load.run(connection),
            Read::List(subject, now, page, reply) => {
                drop(reply.send(list(connection, &subject, now, page).map_err(store_error)));
            }
            Read::Notices(since, reply) => drop(reply.send(past(connection, since).map_err(store_error))),
        }
    }
}

impl Read {
    fn fail(self, error: StoreError) {
        match self {
            Self::Load(load) => drop(load.reply.send(Err(error))),
            Self::List(_, _, _, reply) => drop(reply.send(Err(error))),
            Self::Notices(_, reply) => drop(reply.send(Err(error))),
        }
    }
}
