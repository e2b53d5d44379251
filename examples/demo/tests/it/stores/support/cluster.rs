//! A Redis Cluster of three masters, each with a replica.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use super::{Node, until};

pub(crate) struct Cluster {
    nodes: Vec<Node>,
}

const NODES: usize = 6;
const WHOLE_WITHIN: Duration = Duration::from_secs(60);

impl Cluster {
    pub(crate) fn start() -> Self {
        let timeout = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
        let arguments = [&timeout[..], &["--repl-diskless-sync-delay", "0"]].concat();
        let nodes: Vec<_> = (0..NODES).map(|_| Node::redis_with(&arguments)).collect();
        let created = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)))
            .args(["--cluster-replicas", "1", "--cluster-yes"])
            .stdout(Stdio::null())
            .status();
        assert!(created.unwrap().success(), "the Cluster is created");
        let cluster = Self { nodes };
        for node in &cluster.nodes {
            until("the Cluster is whole", WHOLE_WITHIN, || {
                let (info, replication) =
                    (node.ask(&["CLUSTER", "INFO"]), node.ask(&["INFO", "replication"]));
                info.contains("cluster_state:ok")
                    && info.contains(&format!("known_nodes:{NODES}"))
                    && (replication.contains("master_link_status:up")
                        || replication.contains("connected_slaves:1"))
            });
        }
        cluster
    }

    pub(crate) fn url(&self) -> String {
        let nodes: Vec<_> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        format!("redis+cluster://{}", nodes.join(","))
    }

    /// The first nodes in the arguments of `redis-cli` are masters.
    pub(crate) fn kill_a_master(&mut self) {
        assert!(self.nodes[0].ask(&["INFO", "replication"]).contains("role:master"));
        self.nodes[0].kill();
    }

    /// Waits until its replica has taken over.
    pub(crate) fn until_replaced(&self) {
        let other = &self.nodes[1];
        until("a replica is promoted", WHOLE_WITHIN, || {
            let nodes = other.ask(&["CLUSTER", "NODES"]);
            // Until the failure is detected, the killed node counts as well.
            let (missed, there): (Vec<_>, Vec<_>) = nodes.lines().partition(|node| node.contains("fail"));
            let masters = there.iter().filter(|node| node.contains("master")).count();
            !missed.is_empty() && masters == 3 && other.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
        });
    }

    /// Restarts the node, as a replica.
    pub(crate) fn restart_the_killed(&mut self) {
        self.nodes[0].restart();
    }
}
