//! A connection of any kind.

use redis::{
    Cmd, Pipeline, RedisFuture, Value,
    aio::{ConnectionLike, ConnectionManager, MultiplexedConnection},
    cluster_async::ClusterConnection,
};

use super::cluster::Cluster;

/// Cheap to clone: all clones share one connection.
#[derive(Clone)]
pub(crate) enum Connection {
    Cluster(Cluster),
    Driver(Driver),
}

/// A connection of the driver.
#[derive(Clone)]
pub(crate) enum Driver {
    Node(MultiplexedConnection),
    Manager(ConnectionManager),
    /// One that the application has given.
    Cluster(ClusterConnection),
}

impl ConnectionLike for Driver {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Node(connection) => connection.req_packed_command(cmd),
            Self::Manager(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Node(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Manager(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Node(connection) => connection.get_db(),
            Self::Manager(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}
