//! The effect of each step. The order of loads, decisions and swaps is that of the middleware.

use tower_refresh_core::rotation::{Rule, TokenClass};

use crate::{
    mutant::Mutant,
    properties as property,
    scenario::Kind,
    session::{OLDEST, Session},
    state::{Answer, Basis, Last, Party, Request, Sends, Stage, State},
    world::{Action, World},
};

pub(crate) const MAX_RELOADS: u8 = 3;

impl World {
    pub(crate) fn act(&self, state: &mut State, action: Action) {
        match action {
            Action::Tick => self.tick(state),
            Action::Send { kind } => self.send(state, Party::Browser, kind, state.jar, false),
            Action::SendLast => {
                state.last = Last::InProgress;
                if let Some(device) = &mut state.device {
                    device.rejected = false;
                    self.send_proof(state, false);
                } else {
                    self.send(state, Party::Browser, Kind::Own, state.jar, false);
                }
            }
            Action::Logout => self.send(state, Party::Browser, Kind::Own, state.jar, true),
            Action::Steal => state.thief = state.jar,
            Action::Use { presented, kind } => {
                state.tampered = true;
                self.send(state, Party::Thief, kind, Some(presented), false);
            }
            Action::Offer { key } => self.offer(state, key),
            Action::Prove { alone } => self.send_proof(state, alone),
            Action::Replay { proof } => {
                self.send(state, Party::Thief, Kind::Proof(proof), Some(OLDEST), false);
            }
            Action::RegisterRival => self.register_rival(state),
            Action::Arrive { request, server } => {
                let mut request = state.requests.remove(request);
                (request.server, request.waited) = (server, 0);
                match request.kind {
                    Kind::Own | Kind::Upgrade | Kind::Elsewhere => self.arrive(state, request),
                    Kind::Register { key } => self.register(state, request, key, 0),
                    Kind::Proof(proof) => self.prove(state, request, proof, 0),
                }
            }
            Action::End { request } => self.end(state, request),
            Action::RollForward { request } => self.roll_forward(state, request),
            Action::Commit { request } => {
                let request = state.requests.remove(request);
                self.commit(state, request);
            }
            Action::Resend { request, basis } => self.resend(state, request, basis),
            Action::Abort { request } => drop(state.requests.remove(request)),
            Action::Swap { request } => self.swap(state, request),
            Action::Finish { request } => {
                let request = state.requests.remove(request);
                if let Stage::Serving { carries, tokens } = request.stage {
                    self.respond(state, request, carries, tokens);
                }
            }
            Action::Deliver { request } => self.deliver(state, request),
            Action::Lose { request } => {
                let lost = state.requests.remove(request);
                if matches!(lost.kind, Kind::Proof(_)) {
                    state.forget_rejection();
                }
                let has_token = matches!(lost.stage, Stage::Responded { carries: Some(_), .. });
                self.count_losses(state, u8::from(has_token && lost.kind != Kind::Elsewhere));
            }
            Action::FailOver { writes } => self.fail_over(state, writes),
            Action::Feed => state.denied = [true; 2],
        }
    }

    fn tick(&self, state: &mut State) {
        let scenario = &self.scenario;
        state.stored.tick(scenario);
        state.before.iter_mut().for_each(|before| before.tick(scenario));
        for request in &mut state.requests {
            let counts = match &mut request.stage {
                Stage::Handling { seen, .. } => {
                    if let Some(seen) = seen {
                        seen.tick(scenario);
                    }
                    scenario.handler.is_some()
                }
                Stage::RollingForward { write } | Stage::Swapping { write: Some(write), .. } => {
                    write.tick(scenario);
                    true
                }
                Stage::Serving { .. } => scenario.handler.is_some(),
                _ => true,
            };
            request.waited += u8::from(counts);
        }
        self.tick_resend(state);
        if let (Some(turns), true) = (scenario.turns, state.requests.is_empty()) {
            state.exchanges.1 = (state.exchanges.1 + 1).min(turns.pause.1);
        }
    }

    pub(crate) fn send(
        &self,
        state: &mut State,
        from: Party,
        kind: Kind,
        presented: Option<u8>,
        logout: bool,
    ) {
        let Some(presented) = presented else { return };
        if self.scenario.turns.is_some() {
            state.exchanges.0 += 1;
        }
        let stage = Stage::Sent { logout };
        let is_proof = matches!(kind, Kind::Register { .. } | Kind::Proof(_));
        let unrefreshed = from == Party::Browser && state.device.is_some() && !is_proof;
        state.requests.push(Request { from, kind, presented, unrefreshed, server: 0, stage, waited: 0 });
    }

    fn arrive(&self, state: &mut State, mut request: Request) {
        request.waited = 0;
        if let Stage::Sent { logout: true } = request.stage {
            request.stage = Stage::Ending { logout: true };
            return state.requests.push(request);
        }
        let now = self.scenario.clock(request.server);
        let row = state.stored.to_row(&self.scenario);
        let denied = state.denied[usize::from(request.server)];
        let class = self.rules.classify(&row, denied, request.presented, now);
        self.check_class(state, &request, class);
        if request.kind == Kind::Elsewhere && !self.rules.are(Mutant::ElsewhereCommits) {
            return;
        }
        request.stage = match class {
            TokenClass::Current | TokenClass::Previous | TokenClass::Overdue | TokenClass::Late
                if self.rules.are(Mutant::CommitBeforeHandler) =>
            {
                request.stage = Stage::Handling { class, seen: Some(state.stored.clone()), read: None };
                return self.commit(state, request);
            }
            TokenClass::Current | TokenClass::Previous | TokenClass::Overdue | TokenClass::Late => {
                if class == TokenClass::Late && self.rules.are(Mutant::BudgetSpentOnArrival) {
                    let late = state.stored.late + 1;
                    self.compare_and_swap(state, &Session { late, ..state.stored.clone() }, false);
                }
                let read = self.read(&state.stored, class);
                Stage::Handling { class, seen: Some(state.stored.clone()), read }
            }
            TokenClass::Reuse => Stage::Ending { logout: false },
            TokenClass::Ahead => {
                let rolled = self.rules.roll_forward(&row, request.presented, now);
                Stage::RollingForward { write: state.stored.with(&rolled, &self.scenario) }
            }
            _ => {
                state.replaced = self.scenario.turns.is_some() && request.from == Party::Browser;
                return self.finish(state, false);
            }
        };
        state.requests.push(request);
    }

    fn end(&self, state: &mut State, request: usize) {
        let request = state.requests.remove(request);
        let Stage::Ending { logout } = request.stage else { return };
        if state.stored.ended_at.is_none() {
            state.stored.ended_at = Some(0);
            state.stored.version += 1;
        }
        if !self.rules.are(Mutant::FailoverLosesEnd) {
            state.before.clear();
        }
        state.ended = true;
        state.denied[usize::from(request.server)] = true;
        if logout {
            let stage = Stage::Responded { carries: None, logout, tokens: false, answer: Answer::Nothing };
            state.requests.push(Request { stage, server: 0, waited: 0, ..request });
        } else {
            self.finish(state, false);
        }
    }

    fn roll_forward(&self, state: &mut State, request: usize) {
        let mut request = state.requests.remove(request);
        let Stage::RollingForward { write } = request.stage else { return };
        if self.compare_and_swap(state, &write, true) {
            state.stored.known.seen.get_or_insert(0);
            let (class, seen) = (TokenClass::Current, Some(state.stored.clone()));
            request.stage = Stage::Handling { class, seen, read: None };
            request.waited = 0;
            state.requests.push(request);
        } else {
            request.stage = Stage::Sent { logout: false };
            self.arrive(state, request);
        }
    }

    /// Uses the loaded row first, if it leads to a rotation or a late use.
    fn commit(&self, state: &mut State, mut request: Request) {
        let Stage::Handling { class, seen, .. } = request.stage.clone() else { return };
        request.waited = 0;
        if request.kind == Kind::Upgrade && class != TokenClass::Late {
            return self.respond(state, request, None, true);
        }
        if let Some(seen) = seen {
            let row = seen.to_row(&self.scenario);
            let now = self.scenario.clock(request.server);
            let denied = state.denied[usize::from(request.server)];
            let decision = self.rules.commit(&row, denied, request.presented, class, now, request.kind);
            if let (Rule::Rotate | Rule::Late, Some(write)) = (decision.rule, &decision.write) {
                let write = Some(seen.with(write, &self.scenario));
                request.stage = Stage::Swapping { class, write, decision: Sends::from(&decision), round: 0 };
                return state.requests.push(request);
            }
        }
        self.reload(state, request, class, 1);
    }

    fn reload(&self, state: &mut State, mut request: Request, class: TokenClass, round: u8) {
        if round > MAX_RELOADS {
            return self.respond(state, request, None, false);
        }
        let row = state.stored.to_row(&self.scenario);
        let now = self.scenario.clock(request.server);
        let denied = state.denied[usize::from(request.server)];
        let decision = self.rules.commit(&row, denied, request.presented, class, now, request.kind);
        let sends = Sends::from(&decision);
        let Some(write) = decision.write else {
            return self.emit(state, request, class, sends, Basis::Stored);
        };
        let write = Some(state.stored.with(&write, &self.scenario));
        request.stage = Stage::Swapping { class, write, decision: sends, round };
        state.requests.push(request);
    }

    fn swap(&self, state: &mut State, request: usize) {
        let mut request = state.requests.remove(request);
        request.waited = 0;
        let Stage::Swapping { class, write, decision, round } = request.stage.clone() else { return };
        let is_proof = matches!(request.kind, Kind::Proof(_));
        let rolls_forward = is_proof && class == TokenClass::Ahead;
        let swapped = write.is_some_and(|write| self.compare_and_swap(state, &write, rolls_forward));
        let (swapped_or_mutant, next) =
            (swapped || is_proof && self.rules.are(Mutant::ProofAfterEnd), round + 1);
        match request.kind {
            Kind::Own | Kind::Upgrade | Kind::Elsewhere => {}
            _ if swapped_or_mutant => return self.stored(state, request, class, decision),
            Kind::Register { key } => return self.register(state, request, key, next),
            Kind::Proof(proof) => return self.prove(state, request, proof, next),
        }
        if swapped || (self.rules.are(Mutant::SentWithoutSwap) && decision.tokens) {
            if swapped {
                self.remember_written(state, request.server, decision);
            }
            self.emit(state, request, class, decision, Basis::Stored);
        } else {
            self.reload(state, request, class, round + 1);
        }
    }

    pub(crate) fn compare_and_swap(&self, state: &mut State, write: &Session, rolls_forward: bool) -> bool {
        let upserts = self.rules.are(Mutant::Upsert);
        if !upserts && (state.stored.ended_at.is_some() || write.version != state.stored.version) {
            return false;
        }
        self.check_swap(state, write, rolls_forward);
        let old = std::mem::replace(&mut state.stored, write.clone());
        state.stored.version = old.version + 1;
        state.stored.known = old.known.clone();
        let known = &mut state.stored.known;
        if write.generation != old.generation {
            (known.reached, known.seen, known.granted) = (0, None, None);
        }
        let is_extended = write.generation > old.generation && !rolls_forward;
        let is_proven =
            old.binding.is_some_and(|old| write.binding.is_some_and(|new| new.counter != old.counter));
        if let (Some(expiry), true) = (&mut known.expiry, is_extended || is_proven) {
            let idle = self.scenario.ticks(self.scenario.policy.idle) as i16;
            expiry.idle = idle.min(expiry.absolute);
        }
        if self.scenario.failovers > 0 {
            state.before.insert(0, old);
            state.before.truncate(self.scenario.writes_lost);
        }
        true
    }

    fn fail_over(&self, state: &mut State, writes: usize) {
        state.forget_rejection();
        if let Some(before) = state.before.drain(..writes).next_back() {
            state.stored = before;
            state.failovers += 1;
            // A lost version is never drawn again; the row that is back has its own.
            let returned = state.stored.version;
            if !self.rules.are(Mutant::VersionsReturn) {
                state
                    .requests
                    .iter_mut()
                    .for_each(|request| request.make_stale(|row| row.version > returned));
            }
            let revived = state.ended && state.stored.ended_at.is_none();
            state.violations.record(property::REVIVED, revived);
        }
    }
}
