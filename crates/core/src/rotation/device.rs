//! The decisions about the device to which a session is bound.

use super::{
    attempt::{Attempt, DeviceProof},
    classify::{TokenClass, classify, roll_forward},
    commit::{Tokens, commit},
};
use crate::{RotationPolicy, SessionBinding, SessionRow, Timestamp};

/// What becomes of the registration of a device's key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Registration {
    /// The session is not live.
    NotLive,
    /// The session is bound to the key once this row is stored, with compare-and-swap on the version it carries. The binding counts
    /// from the first proof on: see [`prove`].
    Bind(Box<SessionRow>),
    /// The session is bound to this key already, and the device has given no proof since: browsers may send a registration twice.
    /// Nothing is to be changed.
    SameKey,
    /// The session is bound to this key already, and the device has proved since that it has it: only a later copy of the
    /// registration arrives now. Nothing is to be changed.
    Confirmed,
    /// The session is bound to another key, which is never replaced. Nothing is to be changed.
    OtherKey,
}

/// Decides on the registration of `key` for the session of `row` at `now`; `denied` as in [`Attempt`].
pub fn register(row: Option<&SessionRow>, denied: bool, key: &[u8], now: Timestamp) -> Registration {
    let Some(row) = row.filter(|row| !denied && row.is_live(now)) else { return Registration::NotLive };
    match &row.binding {
        None => Registration::Bind(Box::new(SessionRow {
            binding: Some(SessionBinding::new(key)),
            ..row.clone()
        })),
        Some(binding) if binding.key() != Some(key) => Registration::OtherKey,
        Some(binding) if binding.is_confirmed() => Registration::Confirmed,
        Some(_) => Registration::SameKey,
    }
}

/// A proof whose signature is valid for the key in the row's binding.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ProofAttempt<'a> {
    /// The session's row, or `None` if the store has none.
    pub row: Option<&'a SessionRow>,
    /// Whether the session's handle is in this server's denylist, which counts as ended.
    pub denied: bool,
    /// The counter in the challenge that the device has signed. Its MAC must have been verified.
    pub counter: u32,
    /// The generation of the refresh token that came along, if one of this session did.
    pub generation: Option<u32>,
    /// The current time.
    pub now: Timestamp,
}

impl<'a> ProofAttempt<'a> {
    /// A proof for `counter` at `now`, without a refresh token. The session is not in the denylist.
    pub const fn new(row: Option<&'a SessionRow>, counter: u32, now: Timestamp) -> Self {
        Self { row, denied: false, counter, generation: None, now }
    }

    /// Sets whether the session's handle is in the denylist.
    #[must_use]
    pub const fn with_denied(self, denied: bool) -> Self {
        Self { denied, ..self }
    }

    /// Sets the generation of the refresh token that came along.
    #[must_use]
    pub const fn with_generation(self, generation: Option<u32>) -> Self {
        Self { generation, ..self }
    }
}

/// What becomes of a valid proof.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proven {
    /// The session is not live.
    NotLive,
    /// The session is not bound to a device.
    NotBound,
    /// The challenge was used already, or is not one of this session's: the device is to sign another one.
    StaleChallenge,
    /// The proof is accepted once the row is stored.
    #[non_exhaustive]
    Accepted {
        /// The row to store with compare-and-swap on the version it carries. Send nothing unless the swap succeeds.
        write: Box<SessionRow>,
        /// The class of the refresh token that came along. [`Reuse`](TokenClass::Reuse) does not prevent the acceptance: the caller
        /// decides whether it ends the session.
        class: Option<TokenClass>,
        /// The tokens to send: always an access token, and a refresh token if one that came along is replaced.
        send: Tokens,
    },
}

/// Decides on a proof. An accepted one confirms the binding, uses up its challenge, extends the idle lifetime, and commits the
/// refresh token that came along as [`commit`] does, except that a late one costs no budget.
pub fn prove(attempt: &ProofAttempt<'_>, policy: &RotationPolicy) -> Proven {
    let &ProofAttempt { row, denied, counter, generation, now } = attempt;
    let Some(row) = row.filter(|row| !denied && row.is_live(now)) else { return Proven::NotLive };
    let Some(binding) = &row.binding else { return Proven::NotBound };
    let Some(binding) = binding.proven(counter) else { return Proven::StaleChallenge };
    let proven = SessionRow {
        binding: Some(binding),
        idle_expiry: now.saturating_add(row.idle.unwrap_or(policy.idle)).min(row.absolute_expiry),
        ..row.clone()
    };
    let Some(presented) = generation else { return accepted(proven, None, Tokens::Access) };
    let class = classify(&token_attempt(&proven, presented, now), policy);
    let proven = match class {
        TokenClass::Ahead => roll_forward(&proven, presented, now),
        _ if class.is_accepted() => proven,
        _ => return accepted(proven, Some(class), Tokens::Access),
    };
    let decision = commit(&token_attempt(&proven, presented, now), class, policy);
    accepted(decision.write.unwrap_or(proven), Some(class), decision.send)
}

fn token_attempt(row: &SessionRow, presented: u32, now: Timestamp) -> Attempt<'_> {
    Attempt::new(Some(row), presented, now).with_proof(DeviceProof::Given)
}

fn accepted(write: SessionRow, class: Option<TokenClass>, send: Tokens) -> Proven {
    // The proof is worth an access token, whatever the refresh token is worth.
    let send = if send == Tokens::None { Tokens::Access } else { send };
    Proven::Accepted { write: Box::new(write), class, send }
}
