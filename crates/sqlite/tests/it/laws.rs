//! The laws of a session store, on a file that the concurrent ones share.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures_executor::block_on;
use tempfile::TempDir;
use tower_refresh_core::conformance_tests;

use crate::support::open;

conformance_tests! {
    store: async { open(shared_folder().path().join("sessions.db")).await },
    block_on: |law| {
        let _folder = shared_folder();
        block_on(law);
    },
}

/// The folder of the laws that are running. The last of them removes it.
fn shared_folder() -> Arc<TempDir> {
    static SHARED: Mutex<Weak<TempDir>> = Mutex::new(Weak::new());

    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        *shared = Arc::downgrade(&folder);
        folder
    })
}
