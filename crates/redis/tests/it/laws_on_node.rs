//! The laws of a session store, on one node.

use std::sync::LazyLock;

use tower_refresh_core::conformance_tests;
use tower_refresh_redis::RedisStore;

use crate::support::Redis;

static SERVER: LazyLock<Redis> = LazyLock::new(|| Redis::start_with(&[]));

conformance_tests! {
    #[ignore = "needs Redis"]
    store: async { RedisStore::connect(&SERVER.url()).await.unwrap() },
    block_on: |law| tokio::runtime::Runtime::new().unwrap().block_on(law),
}
