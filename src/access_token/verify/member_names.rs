//! Whether the members of an object have distinct names, as far as a small filter can tell.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use super::standard_claim::StandardClaim;

/// The names of the members of one object, as a small filter that shows whether two may be equal.
#[derive(Default)]
pub(super) struct MemberNames {
    standard: u16,
    custom: u64,
    may_clash: bool,
}

impl MemberNames {
    pub(super) fn add_standard(&mut self, claim: StandardClaim) {
        let bit = 1 << claim as u8;
        self.may_clash |= self.standard & bit != 0;
        self.standard |= bit;
    }

    /// A few distinct names clash as well.
    pub(super) fn add_custom(&mut self, name: &str) {
        let bit = 1 << (FixedState::default().hash_one(name) >> 58);
        self.may_clash |= self.custom & bit != 0;
        self.custom |= bit;
    }

    /// Whether none is the name of a standard claim.
    pub(super) fn are_custom(&self) -> bool {
        self.standard == 0
    }

    pub(super) fn are_distinct(&self) -> bool {
        !self.may_clash
    }
}
