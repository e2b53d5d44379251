//! Where sessions are kept: the contract of a store, the row that it keeps, and the store in memory.
//!
//! The stores for SQLite, PostgreSQL and Redis are crates of their own: `tower-refresh-sqlite`, `tower-refresh-postgres`,
//! `tower-refresh-sqlx` and `tower-refresh-redis`. To implement another one, depend on
//! [`tower-refresh-core`](https://docs.rs/tower-refresh-core), which has the same types and a conformance suite.

pub use tower_refresh_core::{
    EndReason, Ended, FeedWatcher, MemoryStore, Page, ParseEndReasonError, ParseSessionHandleError,
    SessionBinding, SessionHandle, SessionMeta, SessionRow, SessionStore, StoreError, StoreErrorKind,
    Subject, Timestamp,
};
