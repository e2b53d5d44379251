//! The second decision, when the response head is ready.

use super::{
    attempt::{Attempt, DeviceProof},
    budget,
    classify::TokenClass,
    elapsed::{within_damping, within_grace},
};
use crate::{RotationPolicy, SessionRow, Timestamp};

/// What to write and what to send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decision {
    /// The rule that applied.
    pub rule: Rule,
    /// The row to store with compare-and-swap on the version it carries. Send nothing unless the swap succeeds.
    pub write: Option<SessionRow>,
    /// The tokens to send on the response.
    pub send: Tokens,
}

impl Decision {
    /// This decision for a response that can carry no cookie: `101 Switching Protocols`, or a 2xx to an extended CONNECT
    /// (RFC 8441, RFC 9220). Nothing is sent, and only the late budget is spent that a [`Late`](TokenClass::Late) token
    /// costs (r5): otherwise such requests could present it any number of times.
    #[must_use]
    pub fn for_upgrade(self, class: TokenClass) -> Self {
        let write = self.write.filter(|_| self.rule == Rule::Late && class == TokenClass::Late);
        Self { write, send: Tokens::None, ..self }
    }
}

/// The rules of [`commit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// r1: the session is not live, or is in the denylist.
    NotLive,
    /// r2: the current token, within the damping interval, or the last generation there is: no rotation.
    Damped,
    /// r3: the current token, after the damping interval: rotate.
    Rotate,
    /// r4: the previous token, within the grace period: send its successor, which exists already.
    Redeliver,
    /// r5: the previous token, after the grace period, with late budget left: send its successor and spend late budget.
    Late,
    /// r6: other requests moved the session on while the handler ran, or bound it to a device.
    Overtaken,
}

/// The tokens that a response carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tokens {
    /// No token.
    None,
    /// An access token.
    Access,
    /// An access token and the refresh token of `generation`.
    AccessAndRefresh {
        /// The generation of the refresh token.
        generation: u32,
    },
}

/// Decides which tokens the response carries: the first of the rules r1 to r6 that applies.
///
/// `class` is the result of [`classify`](super::classify) when the request arrived. This decision never ends a session.
pub fn commit(attempt: &Attempt<'_>, class: TokenClass, policy: &RotationPolicy) -> Decision {
    let &Attempt { row, denied, generation: presented, proof, now } = attempt;
    let Some(row) = row.filter(|row| !denied && row.is_live(now)) else {
        return Decision { rule: Rule::NotLive, write: None, send: Tokens::None };
    };
    let overtaken = Decision { rule: Rule::Overtaken, write: None, send: Tokens::None };
    if attempt.lacks_proof() {
        return overtaken;
    }
    if presented == row.generation {
        return match row.generation.checked_add(1) {
            Some(next) if !within_damping(row, now, policy) => rotate(row, next, now, policy),
            _ => damped(row),
        };
    }
    if presented.checked_add(1) == Some(row.generation) {
        let send = Tokens::AccessAndRefresh { generation: row.generation };
        if within_grace(row, now, policy) {
            return Decision { rule: Rule::Redeliver, write: None, send };
        }
        // Not for a request that was in time when it arrived: a slow handler is no lost response.
        if matches!(class, TokenClass::Overdue | TokenClass::Late)
            && !row.confirmed
            && let Some(late_budget) = late_budget_after(row, proof, now, policy)
        {
            let write = SessionRow { late_budget, rotated_at: row.rotated_at.max(now), ..row.clone() };
            return Decision { rule: Rule::Late, write: Some(write), send };
        }
    }
    overtaken
}

/// The late budget after a late use, or `None` if none is left. A client that has proved its device pays nothing.
fn late_budget_after(
    row: &SessionRow,
    proof: DeviceProof,
    now: Timestamp,
    policy: &RotationPolicy,
) -> Option<Timestamp> {
    match proof {
        DeviceProof::Given => Some(row.late_budget),
        DeviceProof::NotRequired | DeviceProof::Missing => budget::spend(row, now, policy),
    }
}

fn rotate(row: &SessionRow, next: u32, now: Timestamp, policy: &RotationPolicy) -> Decision {
    let write = SessionRow {
        generation: next,
        rotated_at: row.rotated_at.max(now),
        confirmed: false,
        idle_expiry: now.saturating_add(row.idle.unwrap_or(policy.idle)).min(row.absolute_expiry),
        ..row.clone()
    };
    Decision { rule: Rule::Rotate, write: Some(write), send: Tokens::AccessAndRefresh { generation: next } }
}

/// The first use of the current token is recorded, and nothing else: a time that this write moved would go back if the
/// store lost the write.
fn damped(row: &SessionRow) -> Decision {
    let write = (!row.confirmed).then(|| SessionRow { confirmed: true, ..row.clone() });
    Decision { rule: Rule::Damped, write, send: Tokens::Access }
}
