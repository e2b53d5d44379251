//! A Cluster of three primaries.

use std::process::{Command, Stdio};

use super::{Redis, free_port, until};

/// The primaries, and as many replicas, if any.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Redis>,
}

impl Cluster {
    pub(crate) fn start(replicas: usize) -> Self {
        let nodes: Vec<_> = (0..3 * (1 + replicas)).map(|_| start_node()).collect();
        let created = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)))
            .args(["--cluster-replicas", &replicas.to_string(), "--cluster-yes"])
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(created.success(), "the Cluster is created");
        let cluster = Self { nodes };
        cluster.until_whole();
        cluster
    }

    pub(crate) fn url(&self) -> String {
        let nodes: Vec<_> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        format!("redis+cluster://{}", nodes.join(","))
    }

    /// The node that has the key for now, by what another one says.
    pub(crate) fn primary_of(&self, key: &str) -> usize {
        let slot: u16 = self.nodes[0].ask(&["CLUSTER", "KEYSLOT", key]).unwrap();
        let has_slot = |node: &Redis| {
            let answer = node.ask::<String>(&["SET", key, "x", "XX", "GET"]);
            !matches!(&answer, Err(error) if error.code() == Some("MOVED"))
                && node.ask::<String>(&["CLUSTER", "MYID"]).is_ok()
        };
        let found = self.nodes.iter().position(has_slot);
        found.unwrap_or_else(|| panic!("slot {slot} has a primary"))
    }

    fn until_whole(&self) {
        for node in &self.nodes {
            until("the Cluster is whole", || {
                let info = node.ask::<String>(&["CLUSTER", "INFO"]).unwrap_or_default();
                info.contains("cluster_state:ok")
                    && info.contains(&format!("known_nodes:{}", self.nodes.len()))
            });
        }
    }
}

fn start_node() -> Redis {
    let arguments = [
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        "2000",
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--repl-diskless-sync-delay",
        "0",
    ];
    Redis::start_on(free_port(), &arguments)
}
