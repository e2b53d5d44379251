//! A compact form of a row for the state, and its conversions.

use tower_refresh_core::{EndReason, Ended, SessionBinding, SessionHandle, SessionRow};

use crate::scenario::Scenario;

/// The stored generation, in every state; others are relative to it.
pub(crate) const NEWEST: u8 = 8;
/// No rule can distinguish a generation this old from an older one.
pub(crate) const OLDEST: u8 = NEWEST - 4;

/// The counter of the stored binding, in every state; others are relative to it.
pub(crate) const COUNTER: u8 = 8;
/// A counter that no failover brings back, and instead of no challenge: both are rejected.
pub(crate) const NO_COUNTER: u8 = COUNTER - 3;

/// No rule can distinguish an expiry this long past from an older one.
const LONG_PAST: i16 = -9;

/// Times are in ticks from the present. The version is relative to the stored row's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Session {
    pub(crate) version: i8,
    pub(crate) generation: u8,
    pub(crate) rotated_at: i8,
    pub(crate) confirmed: bool,
    /// The number of spent late uses.
    pub(crate) late: u8,
    pub(crate) expiry: Option<Expiry>,
    pub(crate) ended_at: Option<i8>,
    pub(crate) binding: Option<Binding>,
    pub(crate) known: Known,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Binding {
    pub(crate) key: u8,
    pub(crate) confirmed: bool,
    pub(crate) counter: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Expiry {
    pub(crate) idle: i16,
    pub(crate) absolute: i16,
}

/// The world's own record of the session, which does not depend on the rules. Times are in ticks, up to the point where no rule
/// can distinguish them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Known {
    /// The ticks since the generation was reached.
    pub(crate) reached: u8,
    /// The ticks since the generation was first seen.
    pub(crate) seen: Option<u8>,
    /// The ticks since a late use was last granted to the generation before; not longer ago than the damping interval.
    pub(crate) granted: Option<u8>,
    pub(crate) expiry: Option<Expiry>,
    /// Whether a proof was accepted.
    pub(crate) proven: bool,
    /// The counter in the challenge of the last proof that was accepted.
    pub(crate) used: u8,
}

impl Session {
    pub(crate) fn login(scenario: &Scenario) -> Self {
        let expiry = scenario.expires.then(|| Expiry {
            idle: scenario.ticks(scenario.policy.idle) as i16,
            absolute: scenario.ticks(scenario.policy.absolute) as i16,
        });
        Self {
            version: 0,
            generation: NEWEST,
            rotated_at: 0,
            confirmed: false,
            late: 0,
            expiry,
            ended_at: None,
            binding: None,
            known: Known { reached: 0, seen: None, granted: None, expiry, proven: false, used: NO_COUNTER },
        }
    }

    pub(crate) fn to_row(&self, scenario: &Scenario) -> SessionRow {
        let (idle, absolute) = match self.expiry {
            Some(expiry) => (scenario.at(expiry.idle.into()), scenario.at(expiry.absolute.into())),
            None => {
                let now = scenario.at(0);
                (now.saturating_add(scenario.policy.idle), now.saturating_add(scenario.policy.absolute))
            }
        };
        let login = scenario.at(scenario.oldest().into());
        let mut row =
            SessionRow::new(SessionHandle::from_bytes([1; 16]), "alice".into(), login, idle, absolute);
        row.idle = None;
        row.generation = self.generation.into();
        row.rotated_at = scenario.at(self.rotated_at.into());
        row.confirmed = self.confirmed;
        if self.late > 0 {
            row.late_budget = scenario.at(i32::from(self.late) * scenario.refill());
        }
        row.ended = self.ended_at.map(|at| Ended::new(EndReason::Revoked, scenario.at(at.into())));
        row.binding = self.binding.map(Binding::to_stored);
        row.version = 100_u64.saturating_add_signed(self.version.into());
        row
    }

    /// This session after a change to its `row`.
    pub(crate) fn with(&self, row: &SessionRow, scenario: &Scenario) -> Self {
        let refill = scenario.refill();
        Self {
            version: self.version,
            generation: row.generation as u8,
            rotated_at: scenario.ticks_to(row.rotated_at).max(scenario.oldest().into()) as i8,
            confirmed: row.confirmed,
            // Rounded to the nearest: two late uses differ by more than the clocks do.
            late: ((scenario.ticks_to(row.late_budget) + refill / 2).max(0) / refill) as u8,
            expiry: self.expiry.map(|_| Expiry {
                idle: scenario.ticks_to(row.idle_expiry) as i16,
                absolute: scenario.ticks_to(row.absolute_expiry) as i16,
            }),
            ended_at: row.ended.map(|ended| scenario.ticks_to(ended.at) as i8),
            binding: row.binding.as_ref().map(|binding| Binding::from_stored(binding, self.binding)),
            known: self.known.clone(),
        }
    }

    /// Without what no redelivery depends on, so that there are fewer states.
    pub(crate) fn frozen(&self) -> Self {
        let known =
            Known { reached: 0, seen: None, granted: None, expiry: None, proven: false, used: NO_COUNTER };
        Self { version: 0, confirmed: true, late: 0, known, ..self.clone() }
    }

    pub(crate) fn tick(&mut self, scenario: &Scenario) {
        let oldest = scenario.oldest();
        let older = |ticks: &mut i8| *ticks = (*ticks - 1).max(oldest);
        older(&mut self.rotated_at);
        self.ended_at.as_mut().map(older);
        for expiry in [&mut self.expiry, &mut self.known.expiry].into_iter().flatten() {
            expiry.idle = (expiry.idle - 1).max(LONG_PAST);
            expiry.absolute = (expiry.absolute - 1).max(LONG_PAST);
        }
        self.known.reached = (self.known.reached + 1).min(scenario.damping() + 1);
        if let Some(seen) = &mut self.known.seen {
            *seen = (*seen + 1).min(scenario.damping() + scenario.skew + 1);
        }
        let longest = scenario.damping() + scenario.skew;
        self.known.granted = self.known.granted.map(|ago| ago + 1).filter(|ago| *ago <= longest + 1);
    }
}

impl Binding {
    /// In the format that is documented for stores.
    fn to_stored(self) -> SessionBinding {
        SessionBinding::from_bytes([1, u8::from(self.confirmed), 0, 0, 0, self.counter, self.key])
    }

    fn from_stored(stored: &SessionBinding, before: Option<Self>) -> Self {
        let counter = stored.counter().expect("a known format") as u8;
        Self {
            key: stored.key().expect("a known format")[0],
            confirmed: stored.is_confirmed(),
            counter: if before.is_none() { COUNTER } else { counter },
        }
    }
}

impl Known {
    /// Whether the session expires in more than these ticks.
    pub(crate) fn has_left(&self, ticks: i16) -> bool {
        self.expiry.is_none_or(|expiry| expiry.idle.min(expiry.absolute) > ticks)
    }
}
