//! Connections to the nodes of a Cluster.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use redis::{
    ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, RedisResult, Value, aio::MultiplexedConnection,
};

use super::{
    node::{connect_to, timed_out},
    topology::{Node, Range},
    work::Work,
};

/// Connections to nodes without slots are kept up to this number.
const SPARE_CONNECTIONS: usize = 16;

pub(super) struct Nodes {
    /// The nodes that the application named.
    known: Vec<ConnectionInfo>,
    /// For one try on one node.
    limit: Duration,
    connections: Mutex<HashMap<Node, Arc<NodeConnection>>>,
}

struct NodeConnection {
    opening: Shared<BoxFuture<'static, RedisResult<MultiplexedConnection>>>,
    answers: AtomicU64,
}

impl Nodes {
    pub(super) fn new(known: &[ConnectionInfo], limit: Duration) -> Self {
        Self { known: known.to_vec(), limit, connections: Mutex::default() }
    }

    pub(super) fn known(&self) -> impl Iterator<Item = Node> {
        self.known.iter().filter_map(node)
    }

    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Sends to the node, to which it connects if there is no connection yet.
    pub(super) async fn send_to(
        &self,
        node: &Node,
        work: &Work<'_>,
        asking: bool,
    ) -> RedisResult<Vec<Value>> {
        let connection = self.connection(node);
        let answers = connection.answers.load(Ordering::Relaxed);
        let sending = async { work.send(&mut connection.opening.clone().await?, asking).await };
        match tokio::time::timeout(self.limit, sending).await {
            Ok(Ok(received)) => {
                connection.answers.fetch_add(1, Ordering::Relaxed);
                Ok(received)
            }
            Ok(Err(error)) => {
                self.forget(node, &connection);
                Err(error)
            }
            Err(_elapsed) => {
                // It may lead nowhere.
                if connection.answers.load(Ordering::Relaxed) == answers {
                    self.forget(node, &connection);
                }
                Err(timed_out())
            }
        }
    }

    /// The connection to the node. It is made in a task, which completes even if no caller waits any more.
    fn connection(&self, node: &Node) -> Arc<NodeConnection> {
        let mut connections = self.connections();
        if let Some(connection) = connections.get(node) {
            return Arc::clone(connection);
        }
        let (info, limit) = (self.known.first().map(|first| at(first, node)), self.limit);
        let opening = async move { connect_to(info.ok_or_else(no_node)?, limit).await };
        let opening = opening.boxed().shared();
        tokio::spawn(opening.clone());
        let connection = Arc::new(NodeConnection { opening, answers: AtomicU64::new(0) });
        connections.insert(node.clone(), Arc::clone(&connection));
        connection
    }

    /// Forgets a connection that will not work again, unless it has been replaced already.
    fn forget(&self, node: &Node, connection: &Arc<NodeConnection>) {
        let mut connections = self.connections();
        if connections.get(node).is_some_and(|known| Arc::ptr_eq(known, connection)) {
            connections.remove(node);
        }
    }

    /// Forgets connections to nodes that have no slots, if there are many.
    pub(super) fn forget_spare(&self, ranges: &[Range]) {
        let nodes: Vec<_> = ranges.iter().flat_map(|range| &range.nodes).collect();
        let mut connections = self.connections();
        if connections.len() > nodes.len() + SPARE_CONNECTIONS {
            connections.retain(|node, _| nodes.contains(&node));
        }
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<Node, Arc<NodeConnection>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Another node of the same Cluster. User, password and TLS are the same for all nodes.
pub(crate) fn at(like: &ConnectionInfo, node: &Node) -> ConnectionInfo {
    like.clone().set_addr(match like.addr().clone() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host: node.host.to_string(), port: node.port, insecure, tls_params }
        }
        _ => ConnectionAddr::Tcp(node.host.to_string(), node.port),
    })
}

fn node(info: &ConnectionInfo) -> Option<Node> {
    match info.addr() {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            Some(Node { host: host.as_str().into(), port: *port })
        }
        _ => None,
    }
}

pub(super) fn no_node() -> RedisError {
    RedisError::from((ErrorKind::ClusterConnectionNotFound, "no node of the Cluster serves this"))
}
