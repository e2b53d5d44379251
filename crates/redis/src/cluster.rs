//! Who is who in a Cluster.

use redis::{FromRedisValue, Value, cmd};
use tower_refresh_core::{StoreError, StoreErrorKind};

use crate::{inner::Inner, request::Request};

/// A range of slots, and who has it.
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

pub(crate) async fn ranges(inner: &Inner) -> Result<Vec<Range>, StoreError> {
    let mut slots = cmd("CLUSTER");
    slots.arg("SLOTS");
    let ranges: Vec<Vec<Value>> = inner.ask(Request::Command(slots)).await?;
    ranges.iter().map(|range| read(range)).collect::<Option<_>>().ok_or_else(|| {
        StoreError::with_source(StoreErrorKind::Unavailable, "the answer to CLUSTER SLOTS cannot be read")
    })
}

/// A slot of each primary.
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
