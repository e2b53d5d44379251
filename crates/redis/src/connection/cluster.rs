//! A connection to a Cluster, which sends each request to the node that serves its slot.
//!
//! The driver's own connection to a Cluster can stop until its time limits end, while slots move under load: it polls no request
//! while it reads the topology, and for that it needs a lock, which a request may have that tokio interrupted because its task had
//! used up its budget. So only the driver's connections to nodes are used here, and each request is driven by its caller.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, Shared},
    stream,
};
use redis::{ConnectionInfo, RedisError, RedisResult, RetryMethod, Value, cmd};

use super::{
    nodes::{Nodes, no_node},
    topology::{self, Node, Range, SLOTS},
    work::Work,
};

/// How often a request is repeated, unless it is redirected. Redirections are followed until the time limit ends.
const MOST_FAILURES: u32 = 8;
/// Redirections without a pause. A slot that is on its way may be redirected back and forth.
const FAST_REDIRECTIONS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);
/// A redirection names the new node of one slot; what else has changed is read no more often than this.
const READ_EVERY: Duration = Duration::from_millis(100);
const NODES_ASKED_AT_ONCE: usize = 4;

/// A clone is another handle to the same connections.
#[derive(Clone)]
pub(crate) struct Cluster(Arc<Inner>);

struct Inner {
    nodes: Nodes,
    /// Chooses nodes in turn.
    turn: AtomicU64,
    state: Mutex<State>,
}

struct State {
    /// The primary of each slot.
    owners: Vec<Option<Node>>,
    /// All nodes that have slots, and their replicas.
    nodes: Vec<Node>,
    reading: Option<Shared<BoxFuture<'static, RedisResult<()>>>>,
    read_at: Option<Instant>,
}

struct Redirection {
    node: Node,
    /// The slot is on its way to the node.
    asking: bool,
}

enum Obstacle {
    Redirection(Redirection),
    Failure(RedisError),
}

impl From<RedisError> for Obstacle {
    fn from(error: RedisError) -> Self {
        Self::Failure(error)
    }
}

impl Cluster {
    /// Reads the topology from one of the nodes.
    pub(super) async fn connect(known: &[ConnectionInfo], limit: Duration) -> RedisResult<Self> {
        let state =
            State { owners: vec![None; usize::from(SLOTS)], nodes: Vec::new(), reading: None, read_at: None };
        let (nodes, turn, state) = (Nodes::new(known, limit), AtomicU64::new(0), Mutex::new(state));
        let cluster = Self(Arc::new(Inner { nodes, turn, state }));
        cluster.read_topology().await?;
        Ok(cluster)
    }

    /// Sends to the primary of the slot, or to some primary, and follows redirections. Like every request of the store, `work` does no
    /// harm if it is executed twice.
    pub(super) async fn send(&self, slot: Option<u16>, work: Work<'_>) -> RedisResult<Vec<Value>> {
        let (mut failures, mut redirections, mut redirection) = (0, 0, None);
        loop {
            match self.send_once(slot, redirection.take(), &work).await {
                Ok(answers) => return Ok(answers),
                Err(Obstacle::Redirection(to)) => {
                    redirection = Some(to);
                    redirections += 1;
                    if redirections > FAST_REDIRECTIONS {
                        tokio::time::sleep(self.pause(redirections - FAST_REDIRECTIONS)).await;
                    }
                }
                Err(Obstacle::Failure(error)) => {
                    failures += 1;
                    if failures > MOST_FAILURES || matches!(error.retry_method(), RetryMethod::NoRetry) {
                        return Err(error);
                    }
                    tokio::time::sleep(self.pause(failures)).await;
                    // If that fails, the next try shows it.
                    let _ = self.read_topology().await;
                }
            }
        }
    }

    async fn send_once(
        &self,
        slot: Option<u16>,
        redirection: Option<Redirection>,
        work: &Work<'_>,
    ) -> Result<Vec<Value>, Obstacle> {
        let Redirection { node, asking } = match redirection {
            Some(redirection) => redirection,
            None => Redirection { node: self.owner(slot).await?, asking: false },
        };
        let answers = self.0.nodes.send_to(&node, work, asking).await?;
        let Some(error) = work.obstacle(&answers) else { return Ok(answers) };
        let Some((to, slot)) = error.redirect_node() else { return Err(error.into()) };
        let Some(node) = Node::redirected(to, &node) else { return Err(error.into()) };
        let asking = matches!(error.retry_method(), RetryMethod::AskRedirect);
        if !asking {
            self.note_move(slot, &node);
        }
        Err(Obstacle::Redirection(Redirection { node, asking }))
    }

    async fn owner(&self, slot: Option<u16>) -> RedisResult<Node> {
        let any = || (self.0.turn.fetch_add(1, Ordering::Relaxed) % u64::from(SLOTS)) as u16;
        let slot = usize::from(slot.unwrap_or_else(any));
        if let Some(owner) = self.state().owners[slot].clone() {
            return Ok(owner);
        }
        self.read_topology().await?;
        self.state().owners[slot].clone().ok_or_else(no_node)
    }

    /// A slot has moved. Others may have, too.
    fn note_move(&self, slot: u16, to: &Node) {
        let mut state = self.state();
        if let Some(owner) = state.owners.get_mut(usize::from(slot)) {
            *owner = Some(to.clone());
        }
        if state.read_at.is_none_or(|at| at.elapsed() >= READ_EVERY) {
            drop(self.start_reading(&mut state));
        }
    }

    async fn read_topology(&self) -> RedisResult<()> {
        let reading = self.start_reading(&mut self.state());
        reading.await
    }

    fn start_reading(&self, state: &mut State) -> Shared<BoxFuture<'static, RedisResult<()>>> {
        if let Some(reading) = &state.reading {
            return reading.clone();
        }
        let this = self.clone();
        let reading = async move {
            let ranges = this.ask_nodes().await;
            if let Ok(ranges) = &ranges {
                this.0.nodes.forget_spare(ranges);
            }
            let mut state = this.state();
            (state.reading, state.read_at) = (None, Some(Instant::now()));
            state.replace(ranges?);
            Ok(())
        };
        let reading = reading.boxed().shared();
        state.reading = Some(reading.clone());
        tokio::spawn(reading.clone());
        reading
    }

    /// The topology according to the first node that answers. It may be an old one; then a redirection corrects it.
    async fn ask_nodes(&self) -> RedisResult<Vec<Range>> {
        let asks: Vec<_> = self.nodes_in_turn().into_iter().map(|node| self.ask(node)).collect();
        let mut answers = stream::iter(asks).buffer_unordered(NODES_ASKED_AT_ONCE);
        let mut failure = no_node();
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(ranges) => return Ok(ranges),
                // What a server says explains more than that another one is not there.
                Err(error) if failure.code().is_none() => failure = error,
                Err(_) => {}
            }
        }
        Err(failure)
    }

    async fn ask(&self, node: Node) -> RedisResult<Vec<Range>> {
        let mut slots = cmd("CLUSTER");
        slots.arg("SLOTS");
        let answers = self.0.nodes.send_to(&node, &Work::One(&slots), false).await?;
        let answer = answers.into_iter().next().unwrap_or(Value::Nil).extract_error()?;
        let ranges = topology::read_from(&node, &answer).filter(|ranges| !ranges.is_empty());
        ranges.ok_or_else(no_node)
    }

    fn nodes_in_turn(&self) -> Vec<Node> {
        let mut nodes = self.state().nodes.clone();
        for node in self.0.nodes.known() {
            if !nodes.contains(&node) {
                nodes.push(node);
            }
        }
        let turn = self.0.turn.fetch_add(1, Ordering::Relaxed) as usize;
        let first = turn.checked_rem(nodes.len()).unwrap_or(0);
        nodes.rotate_left(first);
        nodes
    }

    /// Each is twice as long as the one before.
    fn pause(&self, times: u32) -> Duration {
        FIRST_PAUSE.saturating_mul(1 << times.min(16)).min(LONGEST_PAUSE).min(self.0.nodes.limit() / 4)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn replace(&mut self, ranges: Vec<Range>) {
        self.owners.fill(None);
        self.nodes.clear();
        for range in ranges {
            for slot in range.slots {
                if let Some(owner) = self.owners.get_mut(usize::from(slot)) {
                    *owner = range.nodes.first().cloned();
                }
            }
            for node in range.nodes {
                if !self.nodes.contains(&node) {
                    self.nodes.push(node);
                }
            }
        }
    }
}
