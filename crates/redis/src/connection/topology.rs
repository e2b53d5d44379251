//! The topology of a Cluster: which node serves which slots.

use std::{ops::RangeInclusive, sync::Arc};

use redis::{FromRedisValue, Value};

pub(crate) const SLOTS: u16 = 16384;

/// A range of slots, and the nodes that serve it.
pub(crate) struct Range {
    pub(crate) slots: RangeInclusive<u16>,
    /// The primary first, then its replicas.
    pub(crate) nodes: Vec<Node>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
}

impl Node {
    /// The node of a redirection, `host:port`, which `from` sent. Without a host it is that of `from`.
    pub(super) fn redirected(to: &str, from: &Self) -> Option<Self> {
        let (host, port) = to.rsplit_once(':')?;
        Some(Self { host: host.into(), port: port.parse().ok()? }.or_host_of(from))
    }

    fn or_host_of(self, other: &Self) -> Self {
        let host = if self.host.is_empty() { Arc::clone(&other.host) } else { self.host };
        Self { host, ..self }
    }
}

/// Reads the answer to `CLUSTER SLOTS`. A node that does not know its own host leaves it empty.
pub(crate) fn read(answer: &Value) -> Option<Vec<Range>> {
    answer.as_sequence()?.iter().map(read_range).collect()
}

/// As [`read`], with the host of the node that answered where one is empty.
pub(super) fn read_from(node: &Node, answer: &Value) -> Option<Vec<Range>> {
    let mut ranges = read(answer)?;
    for range in &mut ranges {
        for found in &mut range.nodes {
            *found = found.clone().or_host_of(node);
        }
    }
    Some(ranges)
}

fn read_range(range: &Value) -> Option<Range> {
    let [first, last, nodes @ ..] = range.as_sequence()? else { return None };
    Some(Range {
        slots: u16::from_redis_value_ref(first).ok()?..=u16::from_redis_value_ref(last).ok()?,
        nodes: nodes.iter().map(read_node).collect::<Option<_>>()?,
    })
}

fn read_node(node: &Value) -> Option<Node> {
    let [host, port, ..] = node.as_sequence()? else { return None };
    let host = Option::<String>::from_redis_value_ref(host).ok()?.unwrap_or_default();
    Some(Node { host: host.into(), port: u16::from_redis_value_ref(port).ok()? })
}

/// The slot of a key: CRC-16/XMODEM of the key, or of what is between its first braces. The driver's own function does not return a
/// number.
pub(crate) fn slot(key: impl AsRef<[u8]>) -> u16 {
    let key = key.as_ref();
    let crc = tag(key).unwrap_or(key).iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    });
    crc % SLOTS
}

fn tag(key: &[u8]) -> Option<&[u8]> {
    let after = &key[key.iter().position(|&byte| byte == b'{')? + 1..];
    let tag = &after[..after.iter().position(|&byte| byte == b'}')?];
    (!tag.is_empty()).then_some(tag)
}

#[cfg(test)]
mod tests {
    use redis::cluster_routing::Slot;

    use super::{Node, slot};

    #[test]
    fn the_slot_of_a_key_is_that_of_the_driver() {
        let rows = (0..1000).map(|number| format!("tower-refresh:s:{number:022}"));
        let tags = ["i:{a}b", "i:{}a", "i:{a", "i:a}", "i:}{a}", "i:{{a}}b", "i:{a}{b}", ""];
        for key in rows.chain(tags.map(String::from)) {
            assert_eq!(Slot::new(slot(&key)), Some(Slot::for_key(&key)), "{key}");
        }
    }

    #[test]
    fn a_redirection_names_a_node() {
        let node = |host: &str, port| Node { host: host.into(), port };
        let from = node("10.0.0.1", 6379);
        for (to, found) in [
            ("10.0.0.2:6380", Some(node("10.0.0.2", 6380))),
            ("redis-2.example.com:6379", Some(node("redis-2.example.com", 6379))),
            ("::1:6379", Some(node("::1", 6379))),
            (":6380", Some(node("10.0.0.1", 6380))),
            ("10.0.0.2", None),
            ("10.0.0.2:", None),
            ("10.0.0.2:70000", None),
        ] {
            assert_eq!(Node::redirected(to, &from), found, "{to}");
        }
    }
}
