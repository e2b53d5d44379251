//! The laws of a session store, on a Cluster of three primaries.

use std::sync::LazyLock;

use tower_refresh_core::conformance_tests;
use tower_refresh_redis::RedisStore;

use crate::support::Cluster;

static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| Cluster::start(0));

conformance_tests! {
    #[ignore = "needs a Redis Cluster"]
    store: async { RedisStore::connect(&CLUSTER.url()).await.unwrap() },
    block_on: |law| tokio::runtime::Runtime::new().unwrap().block_on(law),
}
