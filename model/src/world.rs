//! The actions that are possible in a state.

use stateright::{Model, Property};

use crate::{
    device::RIVAL,
    mutant::Mutant,
    properties,
    rules::Rules,
    scenario::{Device, Kind, Proof, Scenario},
    session::{Binding, OLDEST},
    state::{Answer, Basis, Last, Party, Request, Stage, State},
};

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) rules: Rules,
    /// The only property to check, or all.
    pub(crate) only: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Action {
    Tick,
    Send {
        kind: Kind,
    },
    SendLast,
    Logout,
    Steal,
    Offer {
        key: u8,
    },
    Prove {
        alone: bool,
    },
    Replay {
        proof: Proof,
    },
    RegisterRival,
    Use {
        presented: u8,
        kind: Kind,
    },
    Arrive {
        request: usize,
        server: u8,
    },
    End {
        request: usize,
    },
    RollForward {
        request: usize,
    },
    Commit {
        request: usize,
    },
    /// The commit sends tokens again on a row that it does not read in the store.
    Resend {
        request: usize,
        basis: Basis,
    },
    Abort {
        request: usize,
    },
    Swap {
        request: usize,
    },
    Finish {
        request: usize,
    },
    Deliver {
        request: usize,
    },
    Lose {
        request: usize,
    },
    FailOver {
        writes: usize,
    },
    Feed,
}

impl Action {
    /// The request that takes a step.
    pub(crate) fn request(self) -> Option<usize> {
        match self {
            Self::Arrive { request, .. }
            | Self::End { request }
            | Self::RollForward { request }
            | Self::Commit { request }
            | Self::Resend { request, .. }
            | Self::Abort { request }
            | Self::Swap { request }
            | Self::Finish { request }
            | Self::Deliver { request }
            | Self::Lose { request } => Some(request),
            Self::Tick
            | Self::Send { .. }
            | Self::SendLast
            | Self::Logout
            | Self::Steal
            | Self::Offer { .. }
            | Self::Prove { .. }
            | Self::Replay { .. }
            | Self::RegisterRival
            | Self::Use { .. }
            | Self::FailOver { .. }
            | Self::Feed => None,
        }
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut login = State::login(&self.scenario);
        login.normalise(&self.scenario, false);
        vec![login]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if matches!(state.last, Last::Done { .. }) || state.replaced {
            return;
        }
        for request in 0..state.requests.len() {
            self.actions_of(state, request, actions);
        }
        if self.can_wait(state) {
            actions.push(Action::Tick);
        }
        if state.last == Last::NotSent {
            self.actions_of_parties(state, actions);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        self.act(&mut next, action);
        self.check_elsewhere(state, &mut next, action);
        if self.scenario.turns.is_some() && next.requests.is_empty() && !state.requests.is_empty() {
            next.exchanges.1 = 0;
        }
        let stale_writes_matter = self.rules.are(Mutant::Upsert) || self.rules.are(Mutant::SentWithoutSwap);
        next.normalise(&self.scenario, stale_writes_matter);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let is_wanted = |property: &Property<Self>| self.only.is_none_or(|only| only == property.name);
        properties::of(self).into_iter().filter(is_wanted).collect()
    }
}

impl World {
    pub(crate) fn real(scenario: &Scenario) -> Self {
        let rules = Rules::real(scenario.policy.clone());
        Self { scenario: scenario.clone(), rules, only: None }
    }

    fn actions_of(&self, state: &State, request: usize, actions: &mut Vec<Action>) {
        let is_last = state.last == Last::InProgress;
        let from = state.requests[request].from;
        match state.requests[request].stage {
            Stage::Sent { .. } => {
                actions.extend((0..self.scenario.servers()).map(|server| Action::Arrive { request, server }));
            }
            Stage::Ending { .. } => actions.push(Action::End { request }),
            Stage::RollingForward { .. } => actions.push(Action::RollForward { request }),
            Stage::Handling { .. } => {
                actions.push(Action::Commit { request });
                let resends = self.resends(state, &state.requests[request]);
                actions.extend(resends.into_iter().map(|basis| Action::Resend { request, basis }));
                if !is_last && self.scenario.turns.is_none() {
                    actions.push(Action::Abort { request });
                }
            }
            Stage::Swapping { .. } => actions.push(Action::Swap { request }),
            Stage::Serving { .. } => actions.push(Action::Finish { request }),
            Stage::Responded { carries, answer, .. } => {
                actions.push(Action::Deliver { request });
                if carries.is_none() && answer != Answer::Nothing && !is_last {
                    actions.push(Action::Lose { request });
                }
                let can_be_lost = from == Party::Browser && carries.is_some() && !is_last;
                let is_discarded = state.requests[request].kind == Kind::Elsewhere;
                let may_be_lost = self.scenario.losses == u8::MAX || state.losses < self.scenario.losses;
                if can_be_lost && (may_be_lost || is_discarded) {
                    actions.push(Action::Lose { request });
                }
            }
        }
    }

    fn actions_of_parties(&self, state: &State, actions: &mut Vec<Action>) {
        if state.jar.is_some() {
            if state.in_progress(Party::Browser) < self.scenario.tabs
                && self.is_turn_of(state, Party::Browser)
            {
                actions.extend(self.scenario.kinds().map(|kind| Action::Send { kind }));
                if self.scenario.logout && !state.ended {
                    actions.push(Action::Logout);
                }
            }
            let is_quiet = state.requests.is_empty() && !state.tampered && state.is_live(&self.scenario);
            if is_quiet && self.scenario.turns.is_none() {
                actions.push(Action::SendLast);
            }
            if self.scenario.thieves > 0 && state.thief.is_none() {
                actions.push(Action::Steal);
            }
        }
        if let Some(device) = &self.scenario.device {
            self.actions_of_device(state, device, actions);
        }
        if let Some(newest) = state.thief
            && state.in_progress(Party::Thief) < self.scenario.thieves
            && self.is_turn_of(state, Party::Thief)
        {
            for kind in self.scenario.kinds() {
                actions.extend((OLDEST..=newest).map(|presented| Action::Use { presented, kind }));
            }
        }
        for (index, before) in state.before.iter().enumerate() {
            let rotations = state.stored.generation - before.generation;
            let is_allowed = self.scenario.any_write_lost || rotations == 1;
            if state.failovers < self.scenario.failovers && rotations < 2 && is_allowed {
                actions.push(Action::FailOver { writes: index + 1 });
            }
        }
        if state.ended && state.denied != [true; 2] && self.scenario.servers() > 1 {
            actions.push(Action::Feed);
        }
    }

    fn actions_of_device(&self, state: &State, device: &Device, actions: &mut Vec<Action>) {
        let proofs = |request: &&Request| matches!(request.kind, Kind::Proof(_));
        let registrations =
            state.requests.iter().filter(|request| matches!(request.kind, Kind::Register { .. })).count();
        if state.in_progress(Party::Browser) >= device.at_once {
            return self.actions_of_thief(state, device, actions);
        }
        if state.jar.is_some() && state.device.is_none() && registrations < usize::from(device.offers) {
            // The newest is a new one, unless there is none; the others are sent again.
            let newest = state.offers.min(device.offers - 1);
            actions.extend((0..=newest).map(|key| Action::Offer { key }));
        }
        let in_progress =
            state.requests.iter().filter(proofs).filter(|request| request.from == Party::Browser);
        let may_give_up = self.scenario.losses == u8::MAX || in_progress.clone().count() == 0;
        let leaves_before_arrivals = device.access_outlasts_transit
            && state.requests.iter().any(|request| {
                let is_on_its_way = match request.kind {
                    Kind::Register { .. } => true,
                    Kind::Proof(_) => false,
                    _ => matches!(request.stage, Stage::Sent { .. } | Stage::RollingForward { .. }),
                };
                is_on_its_way && request.from == Party::Browser && !request.unrefreshed
            });
        if state.device.is_some()
            && in_progress.count() < device.proofs
            && may_give_up
            && !leaves_before_arrivals
        {
            actions.push(Action::Prove { alone: true });
            if state.jar.is_some() {
                actions.push(Action::Prove { alone: false });
            }
        }
        self.actions_of_thief(state, device, actions);
    }

    fn actions_of_thief(&self, state: &State, device: &Device, actions: &mut Vec<Action>) {
        if state.in_progress(Party::Thief) < self.scenario.thieves {
            // No older one is worth more than the newest.
            actions.extend(state.copied.map(|proof| Action::Replay { proof }));
            if state.thief.is_some() && (device.rival || state.stored.binding.is_some()) {
                actions.push(Action::RegisterRival);
            }
            if let (true, Some(Binding { key: RIVAL, counter, .. })) = (device.rival, state.stored.binding) {
                actions.push(Action::Replay { proof: Proof { key: RIVAL, counter, alone: true } });
            }
        }
    }

    fn is_turn_of(&self, state: &State, party: Party) -> bool {
        let Some(turns) = self.scenario.turns else { return true };
        let (begun, pause) = state.exchanges;
        let next = if begun % 2 == 0 { Party::Browser } else { Party::Thief };
        party == next && begun < turns.exchanges && state.requests.is_empty() && pause >= turns.pause.0
    }

    /// Whether time may advance: no request has reached the limit of its stage.
    fn can_wait(&self, state: &State) -> bool {
        if let Some(turns) = self.scenario.turns
            && state.requests.is_empty()
        {
            return state.exchanges.1 < turns.pause.1 && state.exchanges.0 < turns.exchanges;
        }
        state.requests.iter().all(|request| {
            let most = match request.stage {
                Stage::Sent { .. } => Some(self.scenario.request_transit),
                Stage::Ending { .. } | Stage::RollingForward { .. } | Stage::Swapping { .. } => {
                    Some(self.scenario.store)
                }
                Stage::Handling { .. } | Stage::Serving { .. } if state.last == Last::InProgress => Some(0),
                Stage::Handling { .. } | Stage::Serving { .. } => self.scenario.handler,
                Stage::Responded { .. } => Some(self.scenario.response_transit),
            };
            most.is_none_or(|most| request.waited < most)
        })
    }
}
