//! Sessions, rotation rules and the store contract of [`tower-refresh`](https://docs.rs/tower-refresh).
//!
//! Depend on this crate, and not on `tower-refresh`, to implement a [`SessionStore`]: it carries no HTTP, no runtime
//! and no other project's types, so it changes rarely. Applications use `tower-refresh`, which re-exports what they
//! need.
//!
//! - [`SessionRow`] is one session; [`SessionStore`] keeps rows; [`MemoryStore`] is the reference.
//! - [`rotation::classify`] and [`rotation::commit`] are the rotation protocol: pure functions of a row, the
//!   presented generation, the time and a [`RotationPolicy`].
//! - `conformance` (feature `conformance`) holds the laws of a store, as tests for implementors.
//!
//! ```
//! use tower_refresh_core::{
//!     SessionHandle, SessionRow, RotationPolicy, Timestamp,
//!     rotation::{TokenClass, classify},
//! };
//!
//! let policy = RotationPolicy::balanced();
//! let login = Timestamp::from_secs(1_700_000_000);
//! let mut row = SessionRow::new(
//!     SessionHandle::from_bytes([7; 16]),
//!     "alice".into(),
//!     login,
//!     login.saturating_add(policy.idle),
//!     login.saturating_add(policy.absolute),
//! );
//! row.generation = 5;
//!
//! // The current token is welcome; one that is two generations old can only be a copy.
//! assert_eq!(classify(Some(&row), false, 5, login, &policy), TokenClass::Current);
//! assert_eq!(classify(Some(&row), false, 3, login, &policy), TokenClass::Reuse);
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "conformance")]
pub mod conformance;
mod handle;
mod memory;
mod policy;
pub mod rotation;
mod row;
mod store;
mod timestamp;

pub use self::{
    handle::{ParseSessionHandleError, SessionHandle},
    memory::MemoryStore,
    policy::{LateBudget, PolicyError, RotationPolicy},
    row::{EndReason, Ended, ParseEndReasonError, SessionMeta, SessionRow, Subject},
    store::{EndWatcher, SessionStore, StoreError, StoreErrorKind},
    timestamp::Timestamp,
};
