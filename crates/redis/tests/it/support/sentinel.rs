//! A primary, its replica, and a Sentinel that watches them.

use std::fs;

use tempfile::TempDir;

use super::{Redis, free_port, until};

pub(crate) struct Watched {
    pub(crate) primary: Redis,
    pub(crate) replica: Redis,
    sentinel: Redis,
    _folder: TempDir,
}

impl Watched {
    pub(crate) fn start() -> Self {
        let primary =
            Redis::start_with(&["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]);
        let replica = primary.start_replica();
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("sentinel.conf");
        let watch = format!(
            "sentinel monitor main 127.0.0.1 {} 1\nsentinel down-after-milliseconds main 3000\n\
             sentinel failover-timeout main 3000\n",
            primary.port
        );
        fs::write(&config, watch).unwrap();
        let sentinel = Redis::start_sentinel(free_port(), config.to_str().unwrap());
        until("the Sentinel knows the replica", || {
            let replicas = sentinel.ask::<Vec<redis::Value>>(&["SENTINEL", "REPLICAS", "main"]);
            replicas.is_ok_and(|replicas| replicas.len() == 1)
        });
        Self { primary, replica, sentinel, _folder: folder }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/main", self.sentinel.port)
    }
}
