//! What is asked at one time goes to the server together.
//!
//! If nothing is under way, a question goes at once, alone. While it is, others wait and become the next group. Groups
//! run in tasks of their own, so that whoever asked may stop waiting without taking the others' answers along.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;
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
        let state = Mutex::new(State { waiting: VecDeque::new(), flights: 0 });
        Self(Arc::new(Inner { work, state }))
    }

    pub(crate) async fn ask(&self, question: W::Question) -> Result<W::Answer, StoreError> {
        let (reply, answer) = oneshot::channel();
        let flight = {
            let mut state = self.0.lock();
            state.waiting.push_back((question, reply));
            let wanted = state.flights * WORTH_A_FLIGHT;
            (state.flights < MOST_FLIGHTS && state.waiting.len() > wanted).then(|| {
                state.flights += 1;
                Flight { groups: Arc::clone(&self.0), landed: false }
            })
        };
        if let Some(flight) = flight {
            tokio::spawn(flight.fly());
        }
        // Without a reply when the runtime shuts down.
        answer.await.unwrap_or_else(|_| Err(StoreErrorKind::Unavailable.into())).map_err(Into::into)
    }
}

impl<W: Work> Inner<W> {
    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task that sends group after group until none waits.
struct Flight<W: Work> {
    groups: Arc<Inner<W>>,
    landed: bool,
}

impl<W: Work> Flight<W> {
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
