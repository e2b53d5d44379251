//! Databases, demo servers that use them, and browsers.

mod browser;
mod cluster;
mod crowd;
mod figures;
mod node;
mod process;
mod proxy;
mod service;

use std::{
    env,
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

pub(crate) use self::{
    browser::{Answer, Browser},
    cluster::Cluster,
    crowd::Crowd,
    figures::{Fault, Outage},
    node::Node,
    process::Process,
    proxy::Proxy,
    service::Service,
};

/// The store of the sessions.
pub(crate) enum Store {
    Sqlite(TempDir),
    Node(Node),
    Cluster(Cluster),
}

impl Store {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite:{}", folder.path().join("sessions.db").display()),
            Self::Node(node) => node.url(),
            Self::Cluster(cluster) => cluster.url(),
        }
    }
}

/// Whether faults last longer, and browsers send more requests, than each run has time for.
pub(crate) fn is_long() -> bool {
    env::var_os("LONG_FAULTS").is_some()
}

/// Waits until a condition is met.
#[track_caller]
pub(crate) fn until(what: &str, within: Duration, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < within, "{what}, within {within:?}");
        sleep(Duration::from_millis(20));
    }
}
