//! A write on its way from a future to the writer, and its answer on the way back.

use futures_channel::oneshot::{self, Receiver, Sender};
use rusqlite::Connection;

use crate::error::Failure;

/// One kind of write.
pub(crate) trait Write: Send + 'static {
    /// What it answers.
    type Output: Send + 'static;

    /// Whether it may write many rows, in steps.
    const LONG: bool = false;

    /// Whether it may end sessions.
    const ENDS: bool = false;

    /// Takes one step, within a transaction; a long job writes up to `rows` rows in it. An error must leave behind nothing that is worse than a smaller step.
    fn step(&mut self, connection: &Connection, rows: usize) -> Result<Step<Self::Output>, Failure>;
}

pub(crate) enum Step<T> {
    Done(T),
    /// There is more to do, after others had their turn.
    More,
}

/// A write, where its answer goes, and how its last step went.
pub(crate) struct Job<W: Write> {
    write: W,
    reply: Sender<Result<W::Output, Failure>>,
    step: Result<Step<W::Output>, Failure>,
}

pub(crate) type Answer<T> = Receiver<Result<T, Failure>>;

/// A [`Job`] of whichever kind.
pub(crate) trait AnyJob: Send {
    fn is_long(&self) -> bool;
    fn may_end(&self) -> bool;

    /// Takes a step; returns how it failed.
    fn run(&mut self, connection: &Connection, rows: usize) -> Option<Failure>;

    /// Answers, now that it is known whether the step was committed; returns the job if there is more to do.
    fn settle(self: Box<Self>, committed: Result<(), &Failure>) -> Option<Box<dyn AnyJob>>;
}

impl<W: Write> Job<W> {
    /// The job, and where its answer comes.
    pub(crate) fn of(write: W) -> (Box<dyn AnyJob>, Answer<W::Output>) {
        let (reply, answer) = oneshot::channel();
        (Box::new(Self { write, reply, step: Ok(Step::More) }), answer)
    }
}

impl<W: Write> AnyJob for Job<W> {
    fn is_long(&self) -> bool {
        W::LONG
    }

    fn may_end(&self) -> bool {
        W::ENDS
    }

    fn run(&mut self, connection: &Connection, rows: usize) -> Option<Failure> {
        self.step = self.write.step(connection, rows);
        self.step.as_ref().err().cloned()
    }

    fn settle(mut self: Box<Self>, committed: Result<(), &Failure>) -> Option<Box<dyn AnyJob>> {
        let answer = match (std::mem::replace(&mut self.step, Ok(Step::More)), committed) {
            (Ok(_), Err(failure)) => Err(failure.clone()),
            (Err(failure), _) => Err(failure),
            (Ok(Step::Done(output)), Ok(())) => Ok(output),
            (Ok(Step::More), Ok(())) => return Some(self),
        };
        // The future may have been dropped; the write is done all the same.
        let _ = self.reply.send(answer);
        None
    }
}
