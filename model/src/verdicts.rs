//! Compares the decisions of the rules with the world's own record.

use tower_refresh_core::rotation::{Proven, TokenClass};

use crate::{
    mutant::Mutant,
    properties as property,
    scenario::{Kind, Proof},
    session::{Binding, Session},
    state::{Basis, Party, Request, Sends, State},
    world::{Action, World},
};

impl World {
    pub(crate) fn check_class(&self, state: &mut State, request: &Request, class: TokenClass) {
        let (presented, newest) = (request.presented, state.stored.generation);
        let is_live = state.is_live(&self.scenario);
        let is_elsewhere = request.kind == Kind::Elsewhere && !self.rules.are(Mutant::ElsewhereCommits);
        let accepted = if is_elsewhere { class.is_accepted_from_elsewhere() } else { class.is_accepted() };
        let honest = request.from == Party::Browser && !state.tampered;
        let had_failover = state.failovers > 0;
        let seen = state.stored.known.seen.unwrap_or(0);
        let is_known = presented.abs_diff(newest) <= 1 && (presented <= newest || had_failover);
        let violations = &mut state.violations;
        let had_loss = state.losses > 0 || had_failover;
        let is_spent =
            class == TokenClass::Spent && self.scenario.is_beyond_budget(state.losses, state.unsent);
        let is_unproven = class == TokenClass::Unproven;
        let is_excused = is_spent || is_elsewhere && had_loss || is_unproven && request.unrefreshed;
        violations.record(property::AUTHENTICATED, honest && is_live && !accepted && !is_excused);
        let has_end = matches!(class, TokenClass::Reuse | TokenClass::Impossible);
        violations.record(property::NEVER_REUSE, honest && is_live && has_end);
        let is_late = matches!(class, TokenClass::Overdue | TokenClass::Late);
        violations.record(property::NOT_LATE, honest && is_late && !had_loss);
        violations.record(property::ENDED, state.ended && accepted);
        violations.record(property::EXPIRED, accepted && !state.stored.known.has_left(0));
        violations.record(property::KNOWN, accepted && !is_known);
        let two_behind = presented + 2 <= newest;
        let ends = class == TokenClass::Reuse && !is_elsewhere;
        let is_exempt = is_elsewhere || is_unproven;
        violations.record(property::TWO_BEHIND, is_live && two_behind && !ends && !is_exempt);
        let is_stale = presented + 1 == newest && seen > self.scenario.damping() + self.scenario.skew;
        violations.record(property::STALE, is_stale && accepted);
        violations.record(property::STALE, is_stale && is_live && !ends && !is_exempt);
        let was_proven = state.stored.known.proven || state.was_proven;
        violations.record(property::MINTED, request.from == Party::Thief && accepted && was_proven);
        let needs_none = request.from == Party::Browser && !request.unrefreshed;
        violations.record(property::UNPROVEN, is_unproven && (needs_none || !was_proven));
    }

    pub(crate) fn check_proof(&self, state: &mut State, request: &Request, proof: Proof, outcome: &Proven) {
        let Proven::Accepted { class, .. } = outcome else {
            let is_right = request.from == Party::Browser
                && state.is_live(&self.scenario)
                && state
                    .stored
                    .binding
                    .is_some_and(|binding| (binding.key, binding.counter) == (proof.key, proof.counter));
            return state.violations.record(property::PROVEN, is_right);
        };
        let is_ended = state.ended;
        let honest = request.from == Party::Browser && !state.tampered;
        let newest = state.stored.generation;
        let is_accepted = class.is_some_and(TokenClass::is_accepted);
        let is_known =
            request.presented.abs_diff(newest) <= 1 && (request.presented <= newest || state.failovers > 0);
        let violations = &mut state.violations;
        violations.record(property::ENDED, is_ended);
        violations.record(property::EXPIRED, !state.stored.known.has_left(0));
        violations.record(property::ONCE, proof.counter <= state.stored.known.used);
        violations.record(property::KNOWN, is_accepted && !is_known);
        let is_alarm = matches!(class, Some(TokenClass::Reuse | TokenClass::Impossible));
        violations.record(property::NEVER_REUSE, honest && is_alarm);
    }

    pub(crate) fn check_elsewhere(&self, state: &State, next: &mut State, action: Action) {
        let request = action.request().map(|request| &state.requests[request]);
        if request.is_some_and(|request| request.kind == Kind::Elsewhere) {
            let is_changed =
                next.stored != state.stored || next.ended != state.ended || next.jar != state.jar;
            next.violations.record(property::ELSEWHERE, is_changed);
        }
    }

    pub(crate) fn check_swap(&self, state: &mut State, write: &Session, rolls_forward: bool) {
        let old = &state.stored;
        let moved = write.generation.wrapping_sub(old.generation);
        let violations = &mut state.violations;
        violations.record(property::FORWARD, moved > 1);
        let changed = |old: Binding| write.binding.is_none_or(|new| new.key != old.key);
        violations.record(property::KEY, old.binding.is_some_and(changed));
        let is_proof =
            old.binding.is_some_and(|old| write.binding.is_some_and(|new| new.counter != old.counter));
        violations.record(property::FREE, is_proof && write.late != old.late);
        // A rotation counts from its decision, on the clock of its server.
        let slack = self.scenario.skew + self.scenario.store;
        let soon = old.known.reached + slack < self.scenario.damping();
        violations.record(property::ONE_PER_DAMPING, moved == 1 && !rolls_forward && soon);
        violations.record(property::REVIVED, state.ended && write.ended_at.is_none());
    }

    pub(crate) fn check_response(
        &self,
        state: &mut State,
        request: &Request,
        class: TokenClass,
        sends: Sends,
        basis: Basis,
    ) {
        let honest = request.from == Party::Browser && !state.tampered;
        let had_failover = state.failovers > 0;
        let had_loss = state.losses > 0 || had_failover;
        let known = &state.stored.known;
        // The upgrade itself, or meanwhile another request, or no budget is left that it could spend.
        let is_paid = sends.late
            || known.granted.is_some_and(|ago| ago <= self.scenario.damping() + self.scenario.skew)
            || state.lates >= self.scenario.burst();
        let may_be_unpaid = known.seen.is_some()
            || request.presented + 1 != state.stored.generation
            || state.ended
            // Alone, the token is worth nothing any more.
            || known.proven
            || had_failover;
        let is_late_upgrade = request.kind == Kind::Upgrade && class == TokenClass::Late;
        // A failover loses that a late use was paid for, too.
        let lost_payments =
            if self.scenario.any_write_lost { state.failovers * self.scenario.writes_lost as u8 } else { 0 };
        let most_lates = self.scenario.burst().saturating_add(lost_payments);
        let is_copy = request.from == Party::Thief && matches!(request.kind, Kind::Proof(_));
        let was_proven = known.proven || state.was_proven;
        let is_excused =
            had_failover && self.scenario.device.is_some_and(|device| device.excuses_lost_writes);
        let is_theft = request.from == Party::Thief && was_proven && !is_copy;
        // The row was read before the end, and the report of the end may still be on its way.
        let was_read_before = match (basis, state.stored.ended_at) {
            (Basis::Stored, _) | (_, None) => false,
            (Basis::Read, Some(ended_at)) => ended_at >= -(self.scenario.recent as i8),
            (Basis::Written, Some(ended_at)) => ended_at >= -(self.scenario.grace() as i8),
        };
        let is_excusable = was_read_before && !state.denied[usize::from(request.server)];
        // The store may have lost the rotation whose tokens are sent again.
        let lost = u8::from(had_failover && basis != Basis::Stored);
        let violations = &mut state.violations;
        violations.record(property::MINTED, sends.tokens && is_theft);
        violations.record(property::COPIED, sends.tokens && is_copy && !is_excused);
        violations.record(property::UPGRADE, is_late_upgrade && !is_paid && !may_be_unpaid);
        violations.record(property::AFTER_END, state.ended && sends.tokens && !is_excusable);
        // The decision was made up to one trip to the store earlier; its tokens carry the expiry of that time.
        let store = i16::from(self.scenario.store);
        violations.record(property::EXPIRED, sends.tokens && !state.stored.known.has_left(-store));
        violations.record(property::NOT_LATE, honest && sends.late && !had_loss);
        violations.record(property::BUDGET, sends.late && state.lates >= most_lates);
        if let Some(generation) = sends.refresh {
            violations.record(property::SUCCESSOR, generation != request.presented + 1);
            let newest = state.stored.generation;
            violations.record(property::NEWEST, generation < newest || generation > newest + lost);
        }
    }
}
