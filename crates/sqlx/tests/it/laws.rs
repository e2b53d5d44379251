//! The laws of a session store.

use tokio::sync::OnceCell;
use tower_refresh_core::conformance_tests;
use tower_refresh_sqlx::SqlxStore;

use crate::support::{block_on, open, server};

/// One table for all laws, which run at the same time.
async fn store() -> SqlxStore {
    static STORE: OnceCell<SqlxStore> = OnceCell::const_new();
    STORE.get_or_init(|| open(server())).await.clone()
}

conformance_tests! {
    #[ignore = "needs PostgreSQL"]
    store: store(),
    block_on: block_on,
}
