//! The memory store keeps every law, in a store of its own and in one that all laws share.

use tower_refresh_core::{MemoryStore, conformance_tests};

conformance_tests! {
    store: async { MemoryStore::new() },
    block_on: futures_executor::block_on,
}

mod in_a_shared_store {
    use std::sync::LazyLock;

    use tower_refresh_core::{MemoryStore, conformance_tests};

    static SHARED: LazyLock<MemoryStore> = LazyLock::new(MemoryStore::new);

    conformance_tests! {
        store: async { SHARED.clone() },
        block_on: futures_executor::block_on,
    }
}
