//! The topology of a Cluster.

use redis::{FromRedisValue, Value, cmd};
use tower_refresh_core::{StoreError, StoreErrorKind};

use crate::{connection::Request, database::Database};

/// A range of slots, and the nodes that serve it.
pub(crate) struct Range {
    first: u16,
    /// The primary first, then its replicas.
    pub(crate) nodes: Vec<Node>,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) host: String,
    pub(crate) port: u16,
}

pub(crate) async fn ranges(database: &Database) -> Result<Vec<Range>, StoreError> {
    let mut slots = cmd("CLUSTER");
    slots.arg("SLOTS");
    let ranges: Vec<Vec<Value>> = database.query(Request::Command(slots)).await?;
    ranges.iter().map(|range| read(range)).collect::<Option<_>>().ok_or_else(|| {
        StoreError::with_source(StoreErrorKind::Unavailable, "unexpected answer to CLUSTER SLOTS")
    })
}

/// One slot of each primary.
pub(crate) fn primaries(ranges: &[Range]) -> Vec<u16> {
    let mut seen = Vec::new();
    let mut slots = Vec::new();
    for range in ranges {
        let Some(primary) = range.nodes.first() else { continue };
        if !seen.contains(&primary) {
            seen.push(primary);
            slots.push(range.first);
        }
    }
    slots
}

fn read(range: &[Value]) -> Option<Range> {
    let [first, _last, nodes @ ..] = range else { return None };
    Some(Range {
        first: u16::from_redis_value_ref(first).ok()?,
        nodes: nodes.iter().map(read_node).collect::<Option<_>>()?,
    })
}

fn read_node(node: &Value) -> Option<Node> {
    let [host, port, ..] = node.as_sequence()? else { return None };
    let host = Option::<String>::from_redis_value_ref(host).ok()?.unwrap_or_default();
    Some(Node { host, port: u16::from_redis_value_ref(port).ok()? })
}
