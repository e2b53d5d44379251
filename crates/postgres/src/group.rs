//! What is asked at one time goes to the server together.
//!
//! If nothing is under way, a question goes at once. While some are, others wait and become the next group. Groups go in
//! tasks of their own, so that whoever asked may stop waiting without taking the others' answers along.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use tokio::{runtime, sync::oneshot};
use tower_refresh_core::{StoreError, StoreErrorKind};

use crate::error::Failure;

/// How questions of one kind are answered together.
pub(crate) trait Work: Send + Sync + 'static {
    type Question: Send;
    type Answer: Send;

    /// The answers come in the order of the questions.
    fn answer(
        &self,
        questions: Vec<Self::Question>,
    ) -> impl Future<Output = Result<Vec<Self::Answer>, Failure>> + Send;
}

/// Questions of one kind, waiting and under way.
pub(crate) struct Groups<W: Work>(Arc<Inner<W>>);

struct Inner<W: Work> {
    work: W,
    state: Mutex<State<W>>,
}

struct State<W: Work> {
    waiting: VecDeque<Waiting<W>>,
    flights: usize,
    /// Whether a question is on its way alone.
    alone: bool,
}

type Waiting<W> = (<W as Work>::Question, Reply<<W as Work>::Answer>);
type Reply<A> = oneshot::Sender<Result<A, Failure>>;

/// Bounds the time that one statement takes.
const MOST_IN_GROUP: usize = 256;
/// More than one, so that a group need not wait for the answer to the one before it to cross the network.
const MOST_FLIGHTS: usize = 4;
/// A flight costs a connection and a commit, so another one takes off only for as many as are worth it.
const WORTH_A_FLIGHT: usize = 16;

impl<W: Work> Groups<W> {
    pub(crate) fn new(work: W) -> Self {
        let state = Mutex::new(State { waiting: VecDeque::new(), flights: 0, alone: false });
        Self(Arc::new(Inner { work, state }))
    }

    pub(crate) async fn ask(&self, question: W::Question) -> Result<W::Answer, StoreError> {
        let answer = match self.board(question) {
            Seat::Alone(alone) => alone.await,
            // Without a reply when the runtime shuts down.
            Seat::Waiting(answer) => answer.await.unwrap_or_else(|_| Err(StoreErrorKind::Unavailable.into())),
        };
        Ok(answer?)
    }

    fn board(&self, question: W::Question) -> Seat<W> {
        let (answer, flight) = {
            let mut state = self.0.lock();
            if state.flights == 0 && !state.alone {
                state.alone = true;
                drop(state);
                return Seat::Alone(Alone::new(Arc::clone(&self.0), question));
            }
            let (reply, answer) = oneshot::channel();
            state.waiting.push_back((question, reply));
            let worth_it = state.waiting.len() > state.flights * WORTH_A_FLIGHT;
            let takes_off = worth_it && state.flights < MOST_FLIGHTS;
            (answer, takes_off.then(|| Flight::take_off(&self.0, &mut state)))
        };
        if let Some(flight) = flight {
            tokio::spawn(flight.fly());
        }
        Seat::Waiting(answer)
    }
}

/// How a question gets its answer.
enum Seat<W: Work> {
    Alone(Alone<W>),
    Waiting(oneshot::Receiver<Result<W::Answer, Failure>>),
}

impl<W: Work> Inner<W> {
    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question that found nothing under way, and is sent by who asks: two changes of task are spared.
///
/// Nobody waits behind it, as its future may not be polled for long. If that is dropped, the rest goes on in a task, so
/// that the connection stays in use.
struct Alone<W: Work>(Option<Asking<W::Answer>>);

type Asking<A> = Pin<Box<dyn Future<Output = Result<A, Failure>> + Send>>;

impl<W: Work> Alone<W> {
    fn new(groups: Arc<Inner<W>>, question: W::Question) -> Self {
        let landing = Landing(groups);
        Self(Some(Box::pin(async move {
            let answers = landing.0.work.answer(vec![question]).await?;
            answers.into_iter().next().ok_or(StoreErrorKind::Corrupt.into())
        })))
    }
}

impl<W: Work> Future for Alone<W> {
    type Output = Result<W::Answer, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(asking) = &mut self.0 else { return Poll::Pending };
        let answer = ready!(asking.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(answer)
    }
}

impl<W: Work> Drop for Alone<W> {
    fn drop(&mut self) {
        if let (Some(asking), Ok(runtime)) = (self.0.take(), runtime::Handle::try_current()) {
            runtime.spawn(asking);
        }
    }
}

/// Lets the next one go alone.
struct Landing<W: Work>(Arc<Inner<W>>);

impl<W: Work> Drop for Landing<W> {
    fn drop(&mut self) {
        self.0.lock().alone = false;
    }
}

/// A task that sends group after group until none waits.
struct Flight<W: Work> {
    groups: Arc<Inner<W>>,
    landed: bool,
}

impl<W: Work> Flight<W> {
    fn take_off(groups: &Arc<Inner<W>>, state: &mut State<W>) -> Self {
        state.flights += 1;
        Self { groups: Arc::clone(groups), landed: false }
    }

    async fn fly(mut self) {
        while let Some(group) = self.next_group() {
            let (questions, replies): (Vec<_>, Vec<_>) = group.into_iter().unzip();
            // Nobody listens to a reply whose future was dropped.
            match self.groups.work.answer(questions).await {
                Ok(answers) => {
                    replies.into_iter().zip(answers).for_each(|(reply, answer)| drop(reply.send(Ok(answer))));
                }
                Err(failure) => replies.into_iter().for_each(|reply| drop(reply.send(Err(failure.clone())))),
            }
        }
    }

    /// Leaves out those whose future was dropped: after an outage, what nobody waits for any more is not made up for.
    fn next_group(&mut self) -> Option<Vec<Waiting<W>>> {
        let mut state = self.groups.lock();
        let mut group = Vec::new();
        while group.len() < MOST_IN_GROUP {
            let Some(waiting) = state.waiting.pop_front() else { break };
            if !waiting.1.is_closed() {
                group.push(waiting);
            }
        }
        if group.is_empty() {
            state.flights -= 1;
            self.landed = true;
            return None;
        }
        Some(group)
    }
}

/// A runtime that shuts down drops its tasks. Those who wait are told, as no other flight may come for them.
impl<W: Work> Drop for Flight<W> {
    fn drop(&mut self) {
        if self.landed {
            return;
        }
        let mut state = self.groups.lock();
        state.flights -= 1;
        if state.flights == 0 {
            state.waiting.clear();
        }
    }
}
