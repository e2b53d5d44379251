//! The list of what is measured.

mod floor;
mod ours;
#[cfg(feature = "peers")]
mod peers;
mod raw;

pub use floor::bare_router;

use std::fmt;

use crate::requests::Batches;

/// One thing that is measured.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Scenario {
    /// What it is called, in arguments, tables and baselines.
    pub name: &'static str,
    /// Whether its counts depend on this crate alone, and hardly on the processor, so that they have a baseline.
    pub has_baseline: bool,
    /// Whether it is measured only when it is named, since to build its world takes minutes.
    pub is_slow: bool,
    /// Builds its world.
    pub prepare: fn() -> Batches,
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Scenario {
    /// A thing to measure.
    pub(crate) const fn new(name: &'static str, prepare: fn() -> Batches) -> Self {
        Self { name, has_baseline: false, is_slow: false, prepare }
    }

    const fn with_baseline(name: &'static str, prepare: fn() -> Batches) -> Self {
        Self { name, has_baseline: true, is_slow: false, prepare }
    }

    const fn slow(name: &'static str, prepare: fn() -> Batches) -> Self {
        Self { name, has_baseline: false, is_slow: true, prepare }
    }
}

/// Everything, in the order of the tables.
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

/// The scenario of this name.
pub fn named(name: &str) -> Option<Scenario> {
    all().into_iter().find(|scenario| scenario.name == name)
}
