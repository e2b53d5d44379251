//! Tokens that are sent again (r4) without another look into the store: on the row that the request's load has read a moment ago, or
//! on the row that this server has written last.

use tower_refresh_core::rotation::{Rule, TokenClass};

use crate::{
    mutant::Mutant,
    scenario::Kind,
    session::Session,
    state::{Basis, Request, Sends, Stage, State},
    world::World,
};

/// A row that a load has read, and the ticks since then.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Read {
    pub(crate) row: Session,
    age: u8,
}

impl World {
    /// What a request remembers of the row that it has read.
    pub(crate) fn read(&self, row: &Session, class: TokenClass) -> Option<Read> {
        let is_remembered = self.may_resend() && class == TokenClass::Previous;
        is_remembered.then(|| Read { row: row.frozen(), age: 0 })
    }

    /// What a server remembers of the row that it has written.
    pub(crate) fn remember_written(&self, state: &mut State, server: u8, sends: Sends) {
        if self.may_resend() && sends.refresh.is_some() {
            state.written[usize::from(server)] = Some(state.stored.frozen());
        }
    }

    /// Where proofs of the device are required, another server may have accepted the first one.
    fn may_resend(&self) -> bool {
        let is_safe = self.scenario.device.is_none() || self.rules.are(Mutant::ResendsWithoutProof);
        self.scenario.recent > 0 && is_safe
    }

    pub(crate) fn tick_resend(&self, state: &mut State) {
        let (most, forever) = (self.scenario.recent, self.rules.are(Mutant::ResendsOnAnyLoad));
        for request in &mut state.requests {
            if let Stage::Handling { read, .. } = &mut request.stage {
                if let Some(read) = read {
                    read.row.tick(&self.scenario);
                    read.row = read.row.frozen();
                    read.age = (read.age + 1).min(most + u8::from(!forever));
                }
                read.take_if(|read| read.age > most);
            }
        }
        let grace = self.scenario.grace() as i8;
        for written in &mut state.written {
            if let Some(row) = written {
                row.tick(&self.scenario);
                *row = row.frozen();
            }
            // No rule sends it again.
            written.take_if(|row| row.rotated_at < -grace);
        }
    }

    /// The rows on which the request can be sent the tokens again.
    pub(crate) fn resends(&self, state: &State, request: &Request) -> Vec<Basis> {
        let Stage::Handling { class, read, .. } = &request.stage else { return Vec::new() };
        if request.kind != Kind::Own {
            return Vec::new();
        }
        let of = |basis, row: Option<&Session>| {
            row.and_then(|row| self.resent(state, request, *class, row)).map(|_| basis)
        };
        let read = of(Basis::Read, read.as_ref().map(|read| &read.row));
        let written = of(Basis::Written, state.written[usize::from(request.server)].as_ref());
        [read, written].into_iter().flatten().collect()
    }

    fn resent(&self, state: &State, request: &Request, class: TokenClass, row: &Session) -> Option<Sends> {
        let denied = state.denied[usize::from(request.server)] && !self.rules.are(Mutant::ResendsWhatEnded);
        let now = self.scenario.clock(request.server);
        let row = row.to_row(&self.scenario);
        let decision = self.rules.commit(&row, denied, request.presented, class, now, request.kind);
        (decision.rule == Rule::Redeliver).then(|| Sends::from(&decision))
    }

    pub(crate) fn resend(&self, state: &mut State, request: usize, basis: Basis) {
        let request = state.requests.remove(request);
        let Stage::Handling { class, read, .. } = &request.stage else { return };
        let class = *class;
        let row = match basis {
            Basis::Read => read.as_ref().map(|read| read.row.clone()),
            Basis::Written => state.written[usize::from(request.server)].clone(),
            Basis::Stored => None,
        };
        if let Some(sends) = row.and_then(|row| self.resent(state, &request, class, &row)) {
            self.emit(state, request, class, sends, basis);
        }
    }
}
