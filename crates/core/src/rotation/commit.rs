//! The second decision, when the response head is ready.

use super::{TokenClass, budget, classify::within_grace};
use crate::{RotationPolicy, SessionRow, Timestamp};

/// What to write and what to send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decision {
    /// Which rule decided.
    pub rule: Rule,
    /// The row to swap in, by compare-and-swap on the version it carries. Nothing is sent unless the swap succeeds.
    pub write: Option<SessionRow>,
    /// What goes out on the response.
    pub send: Tokens,
}

/// Which rule of [`commit`] applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// r1: the session is not live, or denied.
    NotLive,
    /// r2: the current token, but rotated or first seen only just now, or the generations are used up.
    Damped,
    /// r3: the current token: rotate.
    Rotate,
    /// r4: the previous token within the grace: hand out the successor that exists.
    Redeliver,
    /// r5: the previous token, accepted late: the same, and the budget is spent.
    Late,
    /// r6: overtaken while the handler ran.
    Overtaken,
}

/// What goes out on the response.
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

/// Decides on the response's tokens for generation `presented`, by the rules r1 to r6.
///
/// `class` is what [`classify`](super::classify) said of it when the request arrived; `denied` as there. It never
/// ends a session.
pub fn commit(
    row: Option<&SessionRow>,
    denied: bool,
    presented: u32,
    class: TokenClass,
    now: Timestamp,
    policy: &RotationPolicy,
) -> Decision {
    let Some(row) = row.filter(|row| !denied && row.is_live(now)) else {
        return Decision { rule: Rule::NotLive, write: None, send: Tokens::None };
    };
    if presented == row.generation {
        return match row.generation.checked_add(1) {
            Some(next) if now.saturating_since(row.rotated_at) >= policy.damping => {
                rotate(row, next, now, policy)
            }
            _ => damped(row, now),
        };
    }
    if presented.checked_add(1) == Some(row.generation) {
        let send = Tokens::AccessAndRefresh { generation: row.generation };
        if within_grace(row, now, policy) {
            return Decision { rule: Rule::Redeliver, write: None, send };
        }
        if class == TokenClass::Late
            && !row.confirmed
            && let Some(late_budget) = budget::spend(row, now, policy)
        {
            let write = SessionRow { late_budget, rotated_at: row.rotated_at.max(now), ..row.clone() };
            return Decision { rule: Rule::Late, write: Some(write), send };
        }
    }
    Decision { rule: Rule::Overtaken, write: None, send: Tokens::None }
}

fn rotate(row: &SessionRow, next: u32, now: Timestamp, policy: &RotationPolicy) -> Decision {
    let write = SessionRow {
        generation: next,
        rotated_at: row.rotated_at.max(now),
        confirmed: false,
        idle_expiry: now.saturating_add(policy.idle).min(row.absolute_expiry),
        ..row.clone()
    };
    Decision { rule: Rule::Rotate, write: Some(write), send: Tokens::AccessAndRefresh { generation: next } }
}

/// The first sight of the current generation restarts the grace of the one before: where the rotation's response was
/// lost, and a repeated one came at the end of the grace, requests with the old token may be on their way still.
fn damped(row: &SessionRow, now: Timestamp) -> Decision {
    let write = (!row.confirmed).then(|| SessionRow {
        confirmed: true,
        rotated_at: row.rotated_at.max(now),
        ..row.clone()
    });
    Decision { rule: Rule::Damped, write, send: Tokens::Access }
}
