//! The list of scenarios.

mod floor;
mod ours;
#[cfg(feature = "peers")]
mod peers;
mod raw;

pub use floor::bare_router;

use std::fmt;

use crate::requests::Batches;

/// A scenario to measure.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Scenario {
    /// The name in arguments, tables and baselines.
    pub name: &'static str,
    /// Whether it has a baseline: its counts depend only on this crate, and hardly on the processor.
    pub has_baseline: bool,
    /// The scenario whose instructions are taken off before they are compared with a baseline, because they depend on the processor.
    pub less: Option<&'static str>,
    /// Whether it is measured only on request, because its preparation takes minutes.
    pub is_slow: bool,
    /// Prepares the service.
    pub prepare: fn() -> Batches,
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Scenario {
    /// A scenario without a baseline.
    pub(crate) const fn new(name: &'static str, prepare: fn() -> Batches) -> Self {
        Self { name, has_baseline: false, less: None, is_slow: false, prepare }
    }

    const fn with_baseline(name: &'static str, prepare: fn() -> Batches) -> Self {
        Self { name, has_baseline: true, less: None, is_slow: false, prepare }
    }

    const fn less(self, other: &'static str) -> Self {
        Self { less: Some(other), ..self }
    }

    const fn slow(name: &'static str, prepare: fn() -> Batches) -> Self {
        Self { name, has_baseline: false, less: None, is_slow: true, prepare }
    }
}

/// All scenarios, in the order of the tables.
pub fn all() -> Vec<Scenario> {
    [
        floor::SCENARIOS,
        ours::SCENARIOS,
        raw::SCENARIOS,
        #[cfg(feature = "peers")]
        peers::SCENARIOS,
    ]
    .concat()
}

/// The scenario with this name.
pub fn named(name: &str) -> Option<Scenario> {
    all().into_iter().find(|scenario| scenario.name == name)
}
