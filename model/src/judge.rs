//! Judges what the rules decided, by what the world knows without them.

use tower_refresh_core::rotation::TokenClass;

use crate::{
    properties as property,
    session::Session,
    state::{Party, Request, Sends, State},
    world::World,
};

impl World {
    pub(crate) fn judge_class(&self, state: &mut State, request: &Request, class: TokenClass) {
        let (presented, newest) = (request.presented, state.stored.generation);
        let is_live = state.is_live(&self.scenario);
        let accepted = class.is_accepted();
        let honest = request.from == Party::Browser && !state.tampered;
        let had_failover = state.failovers > 0;
        let seen = state.stored.known.seen.unwrap_or(0);
        let is_known = presented.abs_diff(newest) <= 1 && (presented <= newest || had_failover);
        let faults = &mut state.faults;
        faults.note(property::LET_IN, honest && is_live && !accepted);
        let had_loss = state.losses > 0 || had_failover;
        faults.note(property::NOT_LATE, honest && class == TokenClass::Late && !had_loss);
        faults.note(property::ENDED, state.ended && accepted);
        faults.note(property::EXPIRED, accepted && !state.stored.known.has_left(0));
        faults.note(property::KNOWN, accepted && !is_known);
        let two_behind = presented + 2 <= newest;
        faults.note(property::TWO_BEHIND, is_live && two_behind && class != TokenClass::Reuse);
        let is_stale = presented + 1 == newest && seen > self.scenario.grace() + self.scenario.skew;
        faults.note(property::STALE, is_stale && accepted);
    }

    pub(crate) fn judge_swap(&self, state: &mut State, write: &Session, mends: bool) {
        let old = &state.stored;
        let moved = write.generation.wrapping_sub(old.generation);
        let faults = &mut state.faults;
        faults.note(property::FORWARD, moved > 1);
        // A rotation counts from its decision, by the clock of its server.
        let slack = self.scenario.skew + self.scenario.store;
        let soon = old.known.reached + slack < self.scenario.damping();
        faults.note(property::ONE_PER_DAMPING, moved == 1 && !mends && soon);
        faults.note(property::REVIVED, state.ended && write.ended_at.is_none());
    }

    pub(crate) fn judge_response(&self, state: &mut State, request: &Request, sends: Sends) {
        let honest = request.from == Party::Browser && !state.tampered;
        let had_loss = state.losses > 0 || state.failovers > 0;
        let faults = &mut state.faults;
        faults.note(property::AFTER_END, state.ended && sends.tokens);
        // A decision may have been made a trip to the store before; its tokens carry the expiry of then.
        let store = i16::from(self.scenario.store);
        faults.note(property::EXPIRED, sends.tokens && !state.stored.known.has_left(-store));
        faults.note(property::NOT_LATE, honest && sends.late && !had_loss);
        faults.note(property::BUDGET, sends.late && state.lates >= self.scenario.burst());
        if let Some(generation) = sends.refresh {
            faults.note(property::SUCCESSOR, generation != request.presented + 1);
            faults.note(property::NEWEST, generation != state.stored.generation);
        }
    }
}
