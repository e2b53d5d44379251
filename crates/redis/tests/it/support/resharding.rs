//! Slots of a Cluster that move from one primary to another.

use redis::{Connection, Value, cmd};

use super::{Cluster, Redis, cluster::start_node, until};

/// Connections to all primaries of a Cluster, on which it moves slots as `redis-cli --cluster reshard` does.
pub(crate) struct Resharding {
    nodes: Vec<(String, u16, Connection)>,
}

impl Cluster {
    /// Adds a primary without slots.
    pub(crate) fn add_primary(&mut self) {
        let node = start_node();
        let port = self.nodes[0].port.to_string();
        let _: String = node.ask(&["CLUSTER", "MEET", "127.0.0.1", &port]).unwrap();
        self.nodes.push(node);
        self.until_whole(0);
    }

    pub(crate) fn resharding(&self) -> Resharding {
        let connect = |node: &Redis| {
            // On a slow machine the nodes would lose sight of each other.
            let _: () = node.ask(&["CONFIG", "SET", "cluster-node-timeout", "600000"]).unwrap();
            let id = node.ask(&["CLUSTER", "MYID"]).unwrap();
            (id, node.port, node.client().get_connection().unwrap())
        };
        Resharding { nodes: self.nodes.iter().map(connect).collect() }
    }
}

impl Resharding {
    pub(crate) fn slot(&mut self, key: &str) -> u16 {
        cmd("CLUSTER").arg("KEYSLOT").arg(key).query(&mut self.nodes[0].2).unwrap()
    }

    /// The number of slots of each node.
    pub(crate) fn slots(&mut self) -> Vec<usize> {
        let ranges: Vec<Vec<Value>> = cmd("CLUSTER").arg("SLOTS").query(&mut self.nodes[0].2).unwrap();
        let mut slots = vec![0; self.nodes.len()];
        for range in ranges {
            let (first, last, node): (usize, usize, (String, u16)) = (
                redis::from_redis_value_ref(&range[0]).unwrap(),
                redis::from_redis_value_ref(&range[1]).unwrap(),
                match &range[2] {
                    Value::Array(node) => (String::new(), redis::from_redis_value_ref(&node[1]).unwrap()),
                    _ => panic!("a node is an array"),
                },
            );
            let place = self.nodes.iter().position(|(_, port, _)| *port == node.1).unwrap();
            slots[place] += last - first + 1;
        }
        slots
    }

    /// The node that serves the slot.
    pub(crate) fn owner(&mut self, slot: u16) -> usize {
        self.nodes
            .iter_mut()
            .position(|(_, _, connection)| {
                let count: redis::RedisResult<String> = cmd("CLUSTER").arg("NODES").query(connection);
                let nodes = count.unwrap();
                let myself = nodes.lines().find(|line| line.contains("myself")).unwrap();
                myself.split(' ').skip(8).filter(|slots| !slots.starts_with('[')).any(|slots| {
                    let (first, last) = slots.split_once('-').unwrap_or((slots, slots));
                    (first.parse::<u16>().unwrap()..=last.parse().unwrap()).contains(&slot)
                })
            })
            .unwrap()
    }

    /// Moves the slot, key by key, with `pause` before each key and at the end.
    pub(crate) fn move_slot(&mut self, slot: u16, from: usize, to: usize, pause: impl Fn()) {
        let (from_id, to_id, port) = (self.nodes[from].0.clone(), self.nodes[to].0.clone(), self.nodes[to].1);
        self.set_slot(to, slot, &["IMPORTING", &from_id]);
        self.set_slot(from, slot, &["MIGRATING", &to_id]);
        loop {
            let connection = &mut self.nodes[from].2;
            let keys: Vec<Vec<u8>> =
                cmd("CLUSTER").arg("GETKEYSINSLOT").arg(slot).arg(10).query(connection).unwrap();
            for key in &keys {
                pause();
                let mut migrate = cmd("MIGRATE");
                migrate.arg("127.0.0.1").arg(port).arg(key).arg(0).arg(5000);
                migrate.query::<()>(connection).unwrap();
            }
            if keys.is_empty() {
                break;
            }
        }
        pause();
        self.set_slot(to, slot, &["NODE", &to_id]);
        self.set_slot(from, slot, &["NODE", &to_id]);
        for other in (0..self.nodes.len()).filter(|other| *other != from && *other != to) {
            self.set_slot(other, slot, &["NODE", &to_id]);
        }
    }

    /// Waits until all nodes know the same owners.
    pub(crate) fn until_agreed(&mut self) {
        until("the nodes agree", || {
            let mut views = self.nodes.iter_mut().map(|(_, _, connection)| {
                let ranges: Vec<Vec<Value>> = cmd("CLUSTER").arg("SLOTS").query(connection).unwrap();
                let mut ranges: Vec<_> = ranges.iter().map(|range| format!("{:?}", &range[..3])).collect();
                ranges.sort();
                ranges
            });
            let first = views.next().unwrap();
            views.all(|view| view == first)
        });
    }

    fn set_slot(&mut self, node: usize, slot: u16, state: &[&str]) {
        let mut set = cmd("CLUSTER");
        set.arg("SETSLOT").arg(slot).arg(state);
        set.query::<()>(&mut self.nodes[node].2).unwrap();
    }
}
