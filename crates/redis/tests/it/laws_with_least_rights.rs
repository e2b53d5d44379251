//! The laws of a session store, with the rights that the documentation names and no others.

use std::sync::LazyLock;

use tower_refresh_core::conformance_tests;
use tower_refresh_redis::RedisStore;

use crate::support::{LEAST_RIGHTS, Redis};

static SERVER: LazyLock<Redis> = LazyLock::new(|| {
    let server = Redis::start_with(&[]);
    let rights = LEAST_RIGHTS.split_whitespace();
    let words: Vec<_> = ["ACL", "SETUSER", "tower", "on", ">secret"].into_iter().chain(rights).collect();
    let _: () = server.ask(&words).unwrap();
    server
});

conformance_tests! {
    #[ignore = "needs Redis"]
    store: async {
        RedisStore::connect(&format!("redis://tower:secret@127.0.0.1:{}", SERVER.port)).await.unwrap()
    },
    block_on: |law| tokio::runtime::Runtime::new().unwrap().block_on(law),
}
