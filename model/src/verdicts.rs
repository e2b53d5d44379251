//! Compares the decisions of the rules with the world's own record.

use tower_refresh_core::rotation::TokenClass;

use crate::{
    properties as property,
    session::Session,
    state::{Party, Request, Sends, State},
    world::World,
};

impl World {
    pub(crate) fn check_class(&self, state: &mut State, request: &Request, class: TokenClass) {
        let (presented, newest) = (request.presented, state.stored.generation);
        let is_live = state.is_live(&self.scenario);
        let accepted = class.is_accepted();
        let honest = request.from == Party::Browser && !state.tampered;
        let had_failover = state.failovers > 0;
        let seen = state.stored.known.seen.unwrap_or(0);
        let is_known = presented.abs_diff(newest) <= 1 && (presented <= newest || had_failover);
        let violations = &mut state.violations;
        violations.record(property::AUTHENTICATED, honest && is_live && !accepted);
        let had_loss = state.losses > 0 || had_failover;
        violations.record(property::NOT_LATE, honest && class == TokenClass::Late && !had_loss);
        violations.record(property::ENDED, state.ended && accepted);
        violations.record(property::EXPIRED, accepted && !state.stored.known.has_left(0));
        violations.record(property::KNOWN, accepted && !is_known);
        let two_behind = presented + 2 <= newest;
        violations.record(property::TWO_BEHIND, is_live && two_behind && class != TokenClass::Reuse);
        let is_stale = presented + 1 == newest && seen > self.scenario.grace() + self.scenario.skew;
        violations.record(property::STALE, is_stale && accepted);
    }

    pub(crate) fn check_swap(&self, state: &mut State, write: &Session, rolls_forward: bool) {
        let old = &state.stored;
        let moved = write.generation.wrapping_sub(old.generation);
        let violations = &mut state.violations;
        violations.record(property::FORWARD, moved > 1);
        // A rotation counts from its decision, on the clock of its server.
        let slack = self.scenario.skew + self.scenario.store;
        let soon = old.known.reached + slack < self.scenario.damping();
        violations.record(property::ONE_PER_DAMPING, moved == 1 && !rolls_forward && soon);
        violations.record(property::REVIVED, state.ended && write.ended_at.is_none());
    }

    pub(crate) fn check_response(&self, state: &mut State, request: &Request, sends: Sends) {
        let honest = request.from == Party::Browser && !state.tampered;
        let had_loss = state.losses > 0 || state.failovers > 0;
        let violations = &mut state.violations;
        violations.record(property::AFTER_END, state.ended && sends.tokens);
        // The decision was made up to one trip to the store earlier; its tokens carry the expiry of that time.
        let store = i16::from(self.scenario.store);
        violations.record(property::EXPIRED, sends.tokens && !state.stored.known.has_left(-store));
        violations.record(property::NOT_LATE, honest && sends.late && !had_loss);
        violations.record(property::BUDGET, sends.late && state.lates >= self.scenario.burst());
        if let Some(generation) = sends.refresh {
            violations.record(property::SUCCESSOR, generation != request.presented + 1);
            violations.record(property::NEWEST, generation != state.stored.generation);
        }
    }
}
