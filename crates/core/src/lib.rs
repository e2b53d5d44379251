//! Sessions, rotation rules and the store contract of [`tower-refresh`](https://docs.rs/tower-refresh).
//!
//! Applications use `tower-refresh`, which re-exports what they need. Depend on this crate to implement a
//! [`SessionStore`]: it has no HTTP, no runtime and no types of other projects in its API, so it changes rarely.
//!
//! - [`SessionRow`] is one session, [`SessionStore`] stores rows, and [`MemoryStore`] is the reference implementation.
//! - [`rotation::classify`] and [`rotation::commit`] are the rotation protocol: pure functions of an
//!   [`Attempt`](rotation::Attempt) and a [`RotationPolicy`].
//! - `conformance` (feature `conformance`) has the laws of a store, as tests for implementors.
//!
//! ```
//! use tower_refresh_core::{
//!     RotationPolicy, SessionHandle, SessionRow, Timestamp,
//!     rotation::{Attempt, TokenClass, classify},
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
//! // The current token is accepted. A token that is two generations old must be a copy.
//! assert_eq!(classify(&Attempt::new(Some(&row), 5, login), &policy), TokenClass::Current);
//! assert_eq!(classify(&Attempt::new(Some(&row), 3, login), &policy), TokenClass::Reuse);
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod binding;
#[cfg(feature = "conformance")]
pub mod conformance;
mod handle;
mod memory;
mod page;
mod policy;
pub mod rotation;
mod row;
mod store;
mod timestamp;

pub use self::{
    binding::SessionBinding,
    handle::{ParseSessionHandleError, SessionHandle},
    memory::MemoryStore,
    page::Page,
    policy::{LateBudget, PolicyError, RotationPolicy},
    row::{EndReason, Ended, ParseEndReasonError, SessionMeta, SessionRow, Subject},
    store::{FeedWatcher, SessionStore, StoreError, StoreErrorKind},
    timestamp::Timestamp,
};
