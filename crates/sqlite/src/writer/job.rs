//! A write that a future sends to the writer, and its result.

use futures_channel::oneshot::{self, Receiver, Sender};
use rusqlite::Connection;
use tower_refresh_core::StoreError;

/// A kind of write.
pub(crate) trait Write: Send + 'static {
    /// Its result.
    type Output: Send + 'static;

    /// Whether it may write many rows, in several steps.
    const LONG: bool = false;

    /// Whether it may write notices to the feed.
    const NOTIFIES: bool = false;

    /// Runs one step within a transaction. A step of a long job writes up to `rows` rows. A step that fails may have written
    /// some of its rows, but must not leave a row inconsistent.
    fn step(&mut self, connection: &Connection, rows: usize) -> Result<Step<Self::Output>, StoreError>;

    /// What the earlier steps have committed, if it is a result although the last step failed.
    fn committed_before(&mut self) -> Option<Self::Output> {
        None
    }
}

pub(crate) enum Step<T> {
    Done(T),
    /// There is more to do, after other jobs.
    More,
}

/// A write, the channel for its result, and the result of its last step.
pub(crate) struct Job<W: Write> {
    write: W,
    reply: Sender<Result<W::Output, StoreError>>,
    step: Result<Step<W::Output>, StoreError>,
}

pub(crate) type ResultReceiver<T> = Receiver<Result<T, StoreError>>;

/// A [`Job`] of any kind.
pub(crate) trait AnyJob: Send {
    fn is_long(&self) -> bool;
    fn may_notify(&self) -> bool;

    /// Runs a step. Returns its error.
    fn run(&mut self, connection: &Connection, rows: usize) -> Option<StoreError>;

    /// Sends the result after the commit. Returns the job if there is more to do.
    fn finish(self: Box<Self>, committed: Result<(), &StoreError>) -> Option<Box<dyn AnyJob>>;
}

impl<W: Write> Job<W> {
    /// A job for `write`, and the channel on which its result arrives.
    pub(crate) fn of(write: W) -> (Box<dyn AnyJob>, ResultReceiver<W::Output>) {
        let (reply, result) = oneshot::channel();
        (Box::new(Self { write, reply, step: Ok(Step::More) }), result)
    }
}

impl<W: Write> AnyJob for Job<W> {
    fn is_long(&self) -> bool {
        W::LONG
    }

    fn may_notify(&self) -> bool {
        W::NOTIFIES
    }

    fn run(&mut self, connection: &Connection, rows: usize) -> Option<StoreError> {
        self.step = self.write.step(connection, rows);
        self.step.as_ref().err().cloned()
    }

    fn finish(mut self: Box<Self>, committed: Result<(), &StoreError>) -> Option<Box<dyn AnyJob>> {
        let result = match (std::mem::replace(&mut self.step, Ok(Step::More)), committed) {
            (Ok(_), Err(error)) => self.write.committed_before().ok_or_else(|| error.clone()),
            (Err(error), _) => self.write.committed_before().ok_or(error),
            (Ok(Step::Done(output)), Ok(())) => Ok(output),
            (Ok(Step::More), Ok(())) => return Some(self),
        };
        // The receiver of a dropped future is gone.
        let _ = self.reply.send(result);
        None
    }
}
