//! The steps of registrations and proofs.

use tower_refresh_core::rotation::{Proven, Registration, TokenClass};

use crate::{
    mutant::Mutant,
    properties as property,
    scenario::{Kind, Proof},
    session::{COUNTER, NO_COUNTER, OLDEST},
    state::{Answer, Basis, Device, Last, Party, Request, Sends, Stage, State},
    steps::MAX_RELOADS,
    world::World,
};

impl World {
    /// The browser answers a new offer, or sends a registration again.
    pub(crate) fn offer(&self, state: &mut State, key: u8) {
        state.offers = state.offers.max(key + 1);
        self.send(state, Party::Browser, Kind::Register { key }, Some(OLDEST), false);
    }

    /// The browser waits for the newest of its proofs alone.
    pub(crate) fn send_proof(&self, state: &mut State, alone: bool) {
        let Some(device) = state.device else { return };
        let mut losses = 0;
        state.requests.retain_mut(|request| {
            let is_awaited = matches!(request.kind, Kind::Proof(_))
                && request.from == Party::Browser
                && !request.unrefreshed;
            request.unrefreshed |= is_awaited;
            losses += u8::from(is_awaited);
            !(is_awaited && matches!(request.stage, Stage::Responded { .. }))
        });
        self.count_losses(state, losses);
        if losses > 0 {
            state.forget_rejection();
        }
        let proof = Proof { key: device.key, counter: device.challenge, alone };
        if self.scenario.device.is_some_and(|device| device.intercepts) {
            copy(state, proof);
        }
        let presented = if alone { Some(OLDEST) } else { state.jar };
        self.send(state, Party::Browser, Kind::Proof(proof), presented, false);
    }

    /// The thief registers a key of its own, in one step.
    pub(crate) fn register_rival(&self, state: &mut State) {
        let row = state.stored.to_row(&self.scenario);
        if let Registration::Bind(row) =
            self.rules.register(&row, state.denied[0], RIVAL, self.scenario.clock(0))
        {
            let write = state.stored.with(&row, &self.scenario);
            self.compare_and_swap(state, &write, false);
        }
    }

    pub(crate) fn register(&self, state: &mut State, mut request: Request, key: u8, round: u8) {
        if round > MAX_RELOADS {
            return self.finish(state, false);
        }
        let row = state.stored.to_row(&self.scenario);
        let denied = state.denied[usize::from(request.server)];
        match self.rules.register(&row, denied, key, self.scenario.clock(request.server)) {
            Registration::Bind(row) => {
                let write = Some(state.stored.with(&row, &self.scenario));
                let (class, decision) = (TokenClass::Unknown, Sends::NOTHING);
                request.stage = Stage::Swapping { class, write, decision, round };
                state.requests.push(request);
            }
            Registration::SameKey => self.answer(state, request, Sends::NOTHING, Answer::Registered { key }),
            _ => self.finish(state, false),
        }
    }

    pub(crate) fn prove(&self, state: &mut State, mut request: Request, proof: Proof, round: u8) {
        if round > MAX_RELOADS {
            return self.finish(state, false);
        }
        let row = state.stored.to_row(&self.scenario);
        let denied = state.denied[usize::from(request.server)];
        let now = self.scenario.clock(request.server);
        let key = state.stored.binding.map(|binding| binding.key);
        let outcome = if key.is_some_and(|key| key != proof.key) {
            Proven::NotBound
        } else {
            let generation = (!proof.alone).then_some(request.presented);
            self.rules.prove(&row, denied, proof.counter, generation, now)
        };
        self.check_proof(state, &request, proof, &outcome);
        match outcome {
            Proven::Accepted { write, class, send, .. } => {
                let write = state.stored.with(&write, &self.scenario);
                // It costs nothing, which the swap checks; the world counts the late uses that cost something.
                let decision = Sends { late: false, ..Sends::of(send) };
                let class = class.unwrap_or(TokenClass::Unknown);
                request.stage = Stage::Swapping { class, write: Some(write), decision, round };
                state.requests.push(request);
            }
            Proven::StaleChallenge => {
                let counter = state.stored.binding.map_or(COUNTER, |binding| binding.counter);
                let keeps = self.rules.are(Mutant::RejectedWithoutChallenge);
                let next = if keeps { proof.counter } else { counter };
                self.answer(state, request, Sends::NOTHING, Answer::Rejected { next });
            }
            _ => self.answer(state, request, Sends::NOTHING, Answer::Gone),
        }
    }

    /// A registration or a proof has been stored.
    pub(crate) fn stored(&self, state: &mut State, request: Request, class: TokenClass, sends: Sends) {
        let proof = match request.kind {
            Kind::Proof(proof) => proof,
            Kind::Register { key } => {
                return self.answer(state, request, Sends::NOTHING, Answer::Registered { key });
            }
            _ => return,
        };
        self.check_response(state, &request, class, sends, Basis::Stored);
        let known = &mut state.stored.known;
        known.proven = true;
        known.used = known.used.max(proof.counter);
        state.was_proven |= self.scenario.device.is_some_and(|device| !device.excuses_lost_writes);
        if self.scenario.thieves > 0 {
            copy(state, proof);
        }
        if !proof.alone {
            if request.presented == state.stored.generation {
                state.stored.known.seen.get_or_insert(0);
            }
            if class == TokenClass::Late {
                state.stored.known.granted = self.scenario.upgrades.then_some(0);
            }
        }
        let next = state.stored.binding.map_or(COUNTER, |binding| binding.counter);
        let denied = state.denied[usize::from(request.server)] && !self.rules.are(Mutant::ProofAfterEnd);
        let (sends, answer) =
            if denied { (Sends::NOTHING, Answer::Gone) } else { (sends, Answer::Accepted { next }) };
        self.answer(state, request, sends, answer);
    }

    /// A thief's response, and one for which the browser waits no longer, has no further effect.
    fn answer(&self, state: &mut State, request: Request, sends: Sends, answer: Answer) {
        if request.from == Party::Thief || request.unrefreshed {
            return;
        }
        let stage = Stage::Responded { carries: sends.refresh, logout: false, tokens: sends.tokens, answer };
        state.requests.push(Request { stage, server: 0, waited: 0, ..request });
    }

    /// What the browser learns about its device. Returns whether its held request goes on at once.
    pub(crate) fn learn(&self, state: &mut State, answer: Answer) -> bool {
        let is_last = state.last == Last::InProgress;
        match answer {
            Answer::Nothing => {}
            Answer::Registered { key } => {
                let is_new = state.device.is_none_or(|device| device.key != key);
                if is_new {
                    state.device = Some(Device { key, challenge: NO_COUNTER, rejected: false });
                }
            }
            Answer::Accepted { next } => {
                if let Some(device) = &mut state.device {
                    (device.challenge, device.rejected) = (next, false);
                }
            }
            Answer::Rejected { next } => {
                let Some(device) = &mut state.device else { return false };
                let was_rejected = device.rejected;
                (device.challenge, device.rejected) = (next, true);
                state.violations.record(property::ROUND, was_rejected && state.failovers == 0);
                if is_last && !was_rejected {
                    self.send_proof(state, false);
                    return false;
                }
            }
            Answer::Gone => {
                state.device = None;
                if is_last {
                    self.send(state, Party::Browser, Kind::Own, state.jar, false);
                    return false;
                }
            }
        }
        true
    }
}

/// No key that the browser has.
pub(crate) const RIVAL: u8 = u8::MAX;

fn copy(state: &mut State, proof: Proof) {
    let is_newer = |copied: Proof| copied.key != proof.key || copied.counter < proof.counter;
    if state.copied.is_none_or(is_newer) {
        state.copied = Some(Proof { alone: true, ..proof });
    }
}
