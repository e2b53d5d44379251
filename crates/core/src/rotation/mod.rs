//! The rotation protocol: what a refresh token is worth, and what happens to its session.
//!
//! A refresh token names a session and carries a generation `p`; the session's row has a generation `g`. Both
//! decisions are pure functions without I/O, so that one place holds the rules and can be checked:
//!
//! 1. [`classify`] when a request arrives: who is this, and may they pass?
//! 2. [`commit`] when the response head is ready: does the session rotate, and which tokens go out?
//!
//! Rotating at the end, and not at the start, is what keeps slow handlers and aborted requests from costing an
//! honest user the session: nobody is handed a token whose predecessor was spent long ago.
//!
//! ```
//! use std::time::Duration;
//! use tower_refresh_core::{
//!     SessionHandle, SessionRow, RotationPolicy, Timestamp,
//!     rotation::{TokenClass, Rule, Tokens, classify, commit},
//! };
//!
//! let policy = RotationPolicy::balanced();
//! let login = Timestamp::from_secs(1_700_000_000);
//! let row = SessionRow::new(
//!     SessionHandle::from_bytes([7; 16]),
//!     "alice".into(),
//!     login,
//!     login.saturating_add(policy.idle),
//!     login.saturating_add(policy.absolute),
//! );
//!
//! // Ten minutes later the browser presents generation 0, and is handed generation 1.
//! let now = login.saturating_add(Duration::from_secs(600));
//! let class = classify(Some(&row), false, 0, now, &policy);
//! assert_eq!(class, TokenClass::Current);
//! let decision = commit(Some(&row), false, 0, class, now, &policy);
//! assert_eq!(decision.rule, Rule::Rotate);
//! assert_eq!(decision.send, Tokens::AccessAndRefresh { generation: 1 });
//! assert_eq!(decision.write.map(|row| row.generation), Some(1));
//! ```

mod budget;
mod classify;
mod commit;

pub use self::{
    classify::{TokenClass, classify, roll_forward},
    commit::{Decision, Rule, Tokens, commit},
};
