//! The topology of a Cluster.

use std::ops::RangeInclusive;

use redis::{FromRedisValue, Value, cmd};
use tower_refresh_core::{StoreError, StoreErrorKind};

use crate::{connection::Request, database::Database};

/// A range of slots, and the nodes that serve it.
pub(crate) struct Range {
    slots: RangeInclusive<u16>,
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

/// A primary, and the slots that it serves.
#[derive(Default)]
pub(crate) struct Primary(Vec<RangeInclusive<u16>>);

impl Primary {
    pub(crate) fn has(&self, slot: u16) -> bool {
        self.0.iter().any(|slots| slots.contains(&slot))
    }

    /// A slot for requests that are for this node and no key.
    pub(crate) fn any_slot(&self) -> u16 {
        self.0.first().map_or(0, |slots| *slots.start())
    }
}

pub(crate) fn primaries(ranges: &[Range]) -> Vec<Primary> {
    let mut nodes = Vec::new();
    let mut primaries: Vec<Primary> = Vec::new();
    for range in ranges {
        let Some(node) = range.nodes.first() else { continue };
        let place = nodes.iter().position(|known| *known == node).unwrap_or(nodes.len());
        if place == nodes.len() {
            nodes.push(node);
            primaries.push(Primary::default());
        }
        primaries[place].0.push(range.slots.clone());
    }
    primaries
}

/// The slot of a key without a hash tag: CRC-16/XMODEM. The driver's own function does not return a number.
pub(crate) fn slot(key: &str) -> u16 {
    let crc = key.bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    });
    crc % 16384
}

fn read(range: &[Value]) -> Option<Range> {
    let [first, last, nodes @ ..] = range else { return None };
    Some(Range {
        slots: u16::from_redis_value_ref(first).ok()?..=u16::from_redis_value_ref(last).ok()?,
        nodes: nodes.iter().map(read_node).collect::<Option<_>>()?,
    })
}

fn read_node(node: &Value) -> Option<Node> {
    let [host, port, ..] = node.as_sequence()? else { return None };
    let host = Option::<String>::from_redis_value_ref(host).ok()?.unwrap_or_default();
    Some(Node { host, port: u16::from_redis_value_ref(port).ok()? })
}

#[cfg(test)]
mod tests {
    use super::slot;

    #[test]
    fn the_slot_of_a_key_is_that_of_the_driver() {
        for number in 0..1000 {
            let key = format!("tower-refresh:s:{number:022}");
            assert_eq!(
                redis::cluster_routing::Slot::new(slot(&key)),
                Some(redis::cluster_routing::Slot::for_key(&key)),
                "{key}"
            );
        }
    }
}
