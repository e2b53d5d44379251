//! Calls that run at the same time go to the server as one batch.
//!
//! If no call is in progress, a call is sent at once. While some are, further calls wait and form the next batch. Batches
//! are sent by tasks of their own, so a caller that is dropped does not affect the results of the others.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use tokio::{runtime, sync::oneshot};
use tower_refresh_core::{StoreError, StoreErrorKind};

/// A kind of call that can be batched.
pub(crate) trait Operation: Send + Sync + 'static {
    type Input: Send;
    type Output: Send;

    /// Returns one output for each input, in the same order.
    fn run(
        &self,
        inputs: Vec<Self::Input>,
    ) -> impl Future<Output = Result<Vec<Self::Output>, StoreError>> + Send;
}

/// Runs the calls of one operation in batches.
pub(crate) struct Batcher<O: Operation>(Arc<Inner<O>>);

struct Inner<O: Operation> {
    operation: O,
    state: Mutex<State<O>>,
}

struct State<O: Operation> {
    queue: VecDeque<QueuedCall<O>>,
    workers: usize,
    /// Whether a call is in progress that its caller sent directly.
    direct: bool,
}

type QueuedCall<O> = (<O as Operation>::Input, Reply<<O as Operation>::Output>);
type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Limits the time that one statement takes.
const MAX_BATCH_SIZE: usize = 256;
/// More than one, so that a batch need not wait for the previous batch's round trip.
const MAX_WORKERS: usize = 4;
/// A worker costs a connection and a commit per batch, so another one starts only for this many queued calls.
const CALLS_PER_WORKER: usize = 16;

impl<O: Operation> Batcher<O> {
    pub(crate) fn new(operation: O) -> Self {
        let state = Mutex::new(State { queue: VecDeque::new(), workers: 0, direct: false });
        Self(Arc::new(Inner { operation, state }))
    }

    pub(crate) async fn call(&self, input: O::Input) -> Result<O::Output, StoreError> {
        match self.start(input) {
            Started::Direct(call) => call.await,
            // There is no reply if the runtime shuts down.
            Started::Queued(output) => {
                output.await.unwrap_or_else(|_| Err(StoreError::new(StoreErrorKind::Unavailable)))
            }
        }
    }

    fn start(&self, input: O::Input) -> Started<O> {
        let (output, worker) = {
            let mut state = self.0.lock();
            if state.workers == 0 && !state.direct {
                state.direct = true;
                drop(state);
                return Started::Direct(DirectCall::new(Arc::clone(&self.0), input));
            }
            let (reply, output) = oneshot::channel();
            state.queue.push_back((input, reply));
            let needs_worker =
                state.queue.len() > state.workers * CALLS_PER_WORKER && state.workers < MAX_WORKERS;
            (output, needs_worker.then(|| Worker::new(&self.0, &mut state)))
        };
        if let Some(worker) = worker {
            tokio::spawn(worker.run());
        }
        Started::Queued(output)
    }
}

/// How a call gets its output.
enum Started<O: Operation> {
    Direct(DirectCall<O>),
    Queued(oneshot::Receiver<Result<O::Output, StoreError>>),
}

impl<O: Operation> Inner<O> {
    fn lock(&self) -> MutexGuard<'_, State<O>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that found no other in progress, and is sent by its caller, which saves two task switches.
///
/// No other call waits for it, as its future may not be polled for a long time. If the future is dropped, a task completes
/// the call, so that the connection can be reused.
struct DirectCall<O: Operation>(Option<Running<O::Output>>);

type Running<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

impl<O: Operation> DirectCall<O> {
    fn new(inner: Arc<Inner<O>>, input: O::Input) -> Self {
        let guard = DirectGuard(inner);
        Self(Some(Box::pin(async move {
            let outputs = guard.0.operation.run(vec![input]).await?;
            outputs.into_iter().next().ok_or_else(|| StoreError::new(StoreErrorKind::Corrupt))
        })))
    }
}

impl<O: Operation> Future for DirectCall<O> {
    type Output = Result<O::Output, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(running) = &mut self.0 else { return Poll::Pending };
        let output = ready!(running.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(output)
    }
}

impl<O: Operation> Drop for DirectCall<O> {
    fn drop(&mut self) {
        if let (Some(running), Ok(runtime)) = (self.0.take(), runtime::Handle::try_current()) {
            runtime.spawn(running);
        }
    }
}

/// Allows the next direct call when dropped.
struct DirectGuard<O: Operation>(Arc<Inner<O>>);

impl<O: Operation> Drop for DirectGuard<O> {
    fn drop(&mut self) {
        self.0.lock().direct = false;
    }
}

/// A task that sends batch after batch until the queue is empty.
struct Worker<O: Operation> {
    inner: Arc<Inner<O>>,
    finished: bool,
}

impl<O: Operation> Worker<O> {
    fn new(inner: &Arc<Inner<O>>, state: &mut State<O>) -> Self {
        state.workers += 1;
        Self { inner: Arc::clone(inner), finished: false }
    }

    async fn run(mut self) {
        while let Some(batch) = self.next_batch() {
            let (inputs, replies): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
            // A reply whose caller was dropped cannot be sent, which is fine.
            match self.inner.operation.run(inputs).await {
                Ok(outputs) => {
                    replies.into_iter().zip(outputs).for_each(|(reply, output)| drop(reply.send(Ok(output))));
                }
                Err(error) => replies.into_iter().for_each(|reply| drop(reply.send(Err(error.clone())))),
            }
        }
    }

    /// Skips calls whose callers were dropped: after an outage, work that no caller waits for is not caught up on.
    fn next_batch(&mut self) -> Option<Vec<QueuedCall<O>>> {
        let mut state = self.inner.lock();
        let mut batch = Vec::new();
        while batch.len() < MAX_BATCH_SIZE {
            let Some(call) = state.queue.pop_front() else { break };
            if !call.1.is_closed() {
                batch.push(call);
            }
        }
        if batch.is_empty() {
            state.workers -= 1;
            self.finished = true;
            return None;
        }
        Some(batch)
    }
}

/// A runtime that shuts down drops its tasks. The queued calls then fail, as no other worker may come for them.
impl<O: Operation> Drop for Worker<O> {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let mut state = self.inner.lock();
        state.workers -= 1;
        if state.workers == 0 {
            state.queue.clear();
        }
    }
}
