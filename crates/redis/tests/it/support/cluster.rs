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
        cluster.until_whole(replicas);
        cluster
    }

    pub(crate) fn url(&self) -> String {
        let nodes: Vec<_> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        format!("redis+cluster://{}", nodes.join(","))
    }

    /// The index of the primary that has the key. Other nodes answer with a redirection.
    pub(crate) fn primary_of(&self, key: &str) -> usize {
        let has_slot = |node: &Redis| node.ask::<redis::Value>(&["TYPE", key]).is_ok();
        self.nodes.iter().position(has_slot).unwrap()
    }

    pub(super) fn until_whole(&self, replicas: usize) {
        for node in &self.nodes {
            until("the Cluster is whole", || {
                let info = node.ask::<String>(&["CLUSTER", "INFO"]).unwrap_or_default();
                let replication = node.replication();
                info.contains("cluster_state:ok")
                    && info.contains(&format!("known_nodes:{}", self.nodes.len()))
                    && (replication.contains("master_link_status:up") || node.online_replicas() == replicas)
            });
        }
    }
}

pub(super) fn start_node() -> Redis {
    let arguments = [
        "--cluster-enabled",
        "yes",
        // A primary that loses its last slot stays one.
        "--cluster-allow-replica-migration",
        "no",
        "--cluster-node-timeout",
        "2000",
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--repl-ping-replica-period",
        "1",
        "--repl-diskless-sync-delay",
        "0",
    ];
    Redis::start_on(free_port(), &arguments)
}
