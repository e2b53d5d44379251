//! The rotation protocol: whether a refresh token is accepted, and when its session rotates.
//!
//! A refresh token names a session and carries a generation `p`; the session's row has a generation `g`. Both
//! decisions are pure functions without I/O, so that the rules are in one place and can be model-checked:
//!
//! 1. [`classify`] when a request arrives: is the token accepted?
//! 2. [`commit`] when the response head is ready: does the session rotate, and which tokens are sent?
//!
//! The session rotates when the response is ready, not when the request arrives. A slow handler or an aborted request
//! therefore never leaves a client with a token whose grace has already passed. A response that cannot carry a cookie takes
//! [`Decision::for_upgrade`].
//!
//! The rules have numbers, which the documentation, the tests and the model use as well. `classify` applies c0 to c10 in
//! order. Two more rules need I/O and belong to the middleware: c11 (the store or the claims source failed) and c12 (the
//! subject no longer exists). `commit` applies r1 to r6.
//!
//! A session can be bound to a device, whose proofs [`register`] and [`prove`] decide on. From its first proof on, and where that is
//! enforced, a refresh token alone is [`Unproven`](TokenClass::Unproven).
//!
//! ```
//! use std::time::Duration;
//! use tower_refresh_core::{
//!     RotationPolicy, SessionHandle, SessionRow, Timestamp,
//!     rotation::{Attempt, Rule, TokenClass, Tokens, classify, commit},
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
//! // Ten minutes later the browser presents generation 0 and receives generation 1.
//! let attempt = Attempt::new(Some(&row), 0, login.saturating_add(Duration::from_secs(600)));
//! let class = classify(&attempt, &policy);
//! assert_eq!(class, TokenClass::Current);
//! let decision = commit(&attempt, class, &policy);
//! assert_eq!(decision.rule, Rule::Rotate);
//! assert_eq!(decision.send, Tokens::AccessAndRefresh { generation: 1 });
//! assert_eq!(decision.write.map(|row| row.generation), Some(1));
//! ```

mod attempt;
mod budget;
mod classify;
mod commit;
mod device;
mod elapsed;

pub use self::{
    attempt::{Attempt, DeviceProof},
    classify::{TokenClass, classify, roll_forward},
    commit::{Decision, Rule, Tokens, commit},
    device::{ProofAttempt, Proven, Registration, prove, register},
};
