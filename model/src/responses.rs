//! What a response carries, and what its arrival changes.

use tower_refresh_core::rotation::TokenClass;

use crate::{
    mutant::Mutant,
    properties as property,
    scenario::Kind,
    state::{Answer, Basis, Last, Party, Request, Sends, Stage, State},
    world::World,
};

impl World {
    pub(crate) fn emit(
        &self,
        state: &mut State,
        mut request: Request,
        class: TokenClass,
        sends: Sends,
        basis: Basis,
    ) {
        self.check_response(state, &request, class, sends, basis);
        if request.presented == state.stored.generation && request.kind == Kind::Own {
            state.stored.known.seen.get_or_insert(0);
        }
        if sends.late {
            // More than the budget can only come from an unbounded one, which is not counted.
            let most = self.scenario.burst().min(7) + 1;
            state.lates = (state.lates + 1).min(most);
            state.unsent = (state.unsent + u8::from(!sends.tokens)).min(most);
            state.stored.known.granted = self.scenario.upgrades.then_some(0);
        }
        let denied = state.denied[usize::from(request.server)]
            && !self.rules.are(Mutant::SentWithoutSwap)
            && !self.rules.are(Mutant::ResendsWhatEnded);
        let (carries, tokens) = if denied { (None, false) } else { (sends.refresh, sends.tokens) };
        if self.rules.are(Mutant::CommitBeforeHandler) {
            request.stage = Stage::Serving { carries, tokens };
            return state.requests.push(request);
        }
        self.respond(state, request, carries, tokens);
    }

    /// A response without T has no further effect, so it is not modelled.
    pub(crate) fn respond(&self, state: &mut State, request: Request, carries: Option<u8>, tokens: bool) {
        if carries.is_none() {
            return self.finish(state, tokens);
        }
        let stage = Stage::Responded { carries, logout: false, tokens, answer: Answer::Nothing };
        state.requests.push(Request { stage, server: 0, waited: 0, ..request });
    }

    pub(crate) fn deliver(&self, state: &mut State, request: usize) {
        let request = state.requests.remove(request);
        let Stage::Responded { carries, logout, tokens, answer } = request.stage else { return };
        match (request.from, carries) {
            (Party::Browser, _) if logout => state.jar = None,
            (Party::Browser, Some(generation)) => {
                let goes_back = state.jar.is_some_and(|jar| generation < jar);
                state.violations.record(property::JAR, goes_back);
                state.jar = Some(generation);
            }
            (Party::Thief, Some(generation)) => state.thief = state.thief.max(Some(generation)),
            (_, None) => {}
        }
        if self.learn(state, answer) {
            self.finish(state, tokens);
        }
    }

    pub(crate) fn finish(&self, state: &mut State, tokens: bool) {
        if state.last == Last::InProgress {
            let is_newest = state.jar == Some(state.stored.generation);
            // A browser whose budget is spent is not logged in; that is the price of what was lost.
            let is_spent = state.device.is_none()
                && state.stored.late >= self.scenario.burst()
                && state.jar.is_some_and(|jar| jar + 1 == state.stored.generation)
                && state.stored.known.seen.is_none();
            let logged_in = !state.is_live(&self.scenario) || tokens && is_newest || is_spent;
            state.last = Last::Done { logged_in };
        }
    }

    pub(crate) fn count_losses(&self, state: &mut State, losses: u8) {
        // Only the number that is still allowed matters.
        let most = if self.scenario.losses == u8::MAX { 1 } else { self.scenario.losses };
        state.losses = (state.losses + losses).min(most);
    }
}
