//! The state of the world.

use std::hash::{DefaultHasher, Hash, Hasher};

use tower_refresh_core::rotation::{Decision, Rule, TokenClass, Tokens};

use crate::{
    properties::Violations,
    resend::Read,
    scenario::{Kind, Proof, Scenario},
    session::{COUNTER, NEWEST, NO_COUNTER, OLDEST, Session},
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) stored: Session,
    /// The rows before the last writes, the newest first. A failover brings one of them back.
    pub(crate) before: Vec<Session>,
    /// The session was ended, whatever the row contains.
    pub(crate) ended: bool,
    /// The user was rejected and has logged in again, which ended the session.
    pub(crate) replaced: bool,
    /// Which servers have the session in their denylist.
    pub(crate) denied: [bool; 2],
    /// The row that each server has written last with tokens to send, as long as they can be sent again.
    pub(crate) written: [Option<Session>; 2],
    /// The generation in the browser's cookie jar.
    pub(crate) jar: Option<u8>,
    /// The newest generation that the thief has, together with all earlier ones.
    pub(crate) thief: Option<u8>,
    /// The thief has used a token.
    pub(crate) tampered: bool,
    /// The session of the browser's device, once the browser knows it.
    pub(crate) device: Option<Device>,
    /// How often the browser was offered a registration.
    pub(crate) offers: u8,
    /// The newest proof that the thief has a copy of, together with all earlier ones.
    pub(crate) copied: Option<Proof>,
    /// A proof was accepted at any time, whether or not the store has lost it: only if lost writes are no excuse.
    pub(crate) was_proven: bool,
    /// In a canonical order, because the tabs are interchangeable.
    pub(crate) requests: Vec<Request>,
    pub(crate) losses: u8,
    pub(crate) failovers: u8,
    /// The number of granted late uses.
    pub(crate) lates: u8,
    /// The number of them that were upgrades, whose responses carry no token.
    pub(crate) unsent: u8,
    pub(crate) last: Last,
    /// The number of exchanges that have begun, and the ticks since the newest one ended. For [`Turns`](crate::scenario::Turns).
    pub(crate) exchanges: (u8, u8),
    pub(crate) violations: Violations,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Device {
    pub(crate) key: u8,
    /// The counter in the challenge to sign next.
    pub(crate) challenge: u8,
    /// The last answer was that the challenge is stale.
    pub(crate) rejected: bool,
}

/// One final, undisturbed request of the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Last {
    NotSent,
    InProgress,
    Done {
        /// The browser is logged in and has the newest token.
        logged_in: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Request {
    pub(crate) from: Party,
    pub(crate) kind: Kind,
    pub(crate) presented: u8,
    /// The browser left its refresh out, as after a failure; or it waits no longer for the response to this proof.
    pub(crate) unrefreshed: bool,
    pub(crate) server: u8,
    pub(crate) stage: Stage,
    /// Ticks in this stage.
    pub(crate) waited: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Party {
    Browser,
    Thief,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    Sent {
        logout: bool,
    },
    /// About to end the session.
    Ending {
        logout: bool,
    },
    /// About to swap in the rolled-forward row.
    RollingForward {
        write: Session,
    },
    /// The handler runs. `seen` is the loaded row, as long as a swap with its version can succeed; `read` is the same as long as
    /// tokens can be sent again on it.
    Handling {
        class: TokenClass,
        seen: Option<Session>,
        read: Option<Read>,
    },
    /// About to swap in the row of the commit.
    Swapping {
        class: TokenClass,
        write: Option<Session>,
        decision: Sends,
        round: u8,
    },
    /// The handler runs after the commit: only with mutated rules.
    Serving {
        carries: Option<u8>,
        tokens: bool,
    },
    /// The response is in transit.
    Responded {
        carries: Option<u8>,
        logout: bool,
        tokens: bool,
        answer: Answer,
    },
}

/// The row on which a response is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basis {
    Stored,
    /// The one that the load of the request has read, a moment ago.
    Read,
    /// The one that the server has written last.
    Written,
}

/// What a response says to the browser about its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    Nothing,
    Registered {
        key: u8,
    },
    Accepted {
        next: u8,
    },
    /// Another challenge is to be signed.
    Rejected {
        next: u8,
    },
    /// There is no such session, or no such key.
    Gone,
}

/// The content of the response if the swap succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sends {
    pub(crate) tokens: bool,
    pub(crate) refresh: Option<u8>,
    pub(crate) late: bool,
}

impl Sends {
    pub(crate) const NOTHING: Self = Self { tokens: false, refresh: None, late: false };

    pub(crate) fn of(tokens: Tokens) -> Self {
        let refresh = match tokens {
            Tokens::AccessAndRefresh { generation, .. } => Some(generation as u8),
            _ => None,
        };
        Self { tokens: tokens != Tokens::None, refresh, late: false }
    }
}

impl From<&Decision> for Sends {
    fn from(decision: &Decision) -> Self {
        Self { late: decision.rule == Rule::Late, ..Self::of(decision.send) }
    }
}

impl Request {
    /// No swap with the row that it has read can succeed any more, if that row was lost.
    pub(crate) fn make_stale(&mut self, is_lost: impl Fn(&Session) -> bool) {
        match &mut self.stage {
            Stage::Handling { seen: row, .. } | Stage::Swapping { write: row, .. } => {
                row.take_if(|row| is_lost(row));
            }
            Stage::RollingForward { write } if is_lost(write) => self.stage = Stage::Sent { logout: false },
            _ => {}
        }
    }
}

impl State {
    pub(crate) fn login(scenario: &Scenario) -> Self {
        Self {
            stored: Session::login(scenario),
            before: Vec::new(),
            ended: false,
            replaced: false,
            denied: [false; 2],
            written: [None, None],
            jar: Some(NEWEST),
            thief: scenario.turns.map(|_| NEWEST),
            tampered: false,
            device: None,
            offers: 0,
            copied: None,
            was_proven: false,
            requests: Vec::new(),
            losses: 0,
            failovers: 0,
            lates: 0,
            unsent: 0,
            last: Last::NotSent,
            exchanges: (0, 0),
            violations: Violations::default(),
        }
    }

    /// With a margin of one trip to the store: an idle expiry counts from the decision, and the world records the swap.
    pub(crate) fn is_live(&self, scenario: &Scenario) -> bool {
        !self.ended && self.stored.known.has_left(scenario.store.into())
    }

    /// Something happened since the last answer about a challenge.
    pub(crate) fn forget_rejection(&mut self) {
        if let Some(device) = &mut self.device {
            device.rejected = false;
        }
    }

    pub(crate) fn in_progress(&self, party: Party) -> usize {
        self.requests.iter().filter(|request| request.from == party).count()
    }

    /// Converts the state to its canonical form: relative to the stored generation and version, and without values that can no
    /// longer have an effect.
    pub(crate) fn normalise(&mut self, scenario: &Scenario, stale_writes_matter: bool) {
        let shift = NEWEST.wrapping_sub(self.stored.generation);
        let shifted = |generation: &mut u8| *generation = generation.wrapping_add(shift).max(OLDEST);
        let version = self.stored.version;
        if self.failovers == scenario.failovers {
            self.before.clear();
        }
        // Only a failover can restore an older version, together with its row.
        let oldest_version = -(self.before.len() as i8);
        let move_session = |session: &mut Session| {
            shifted(&mut session.generation);
            session.version -= version;
        };
        move_session(&mut self.stored);
        self.before.iter_mut().for_each(move_session);
        self.normalise_counters(scenario);
        self.written.iter_mut().flatten().for_each(|row| shifted(&mut row.generation));
        self.jar.as_mut().map(shifted);
        self.thief.as_mut().map(shifted);
        let move_or_drop = |session: &mut Option<Session>| {
            session.as_mut().map(move_session);
            if session.as_ref().is_some_and(|session| session.version < oldest_version)
                && !stale_writes_matter
            {
                *session = None;
            }
        };
        for request in &mut self.requests {
            shifted(&mut request.presented);
            match &mut request.stage {
                Stage::Sent { .. } | Stage::Ending { .. } => {}
                Stage::RollingForward { write } => {
                    move_session(write);
                    write.version = write.version.max(oldest_version - 1);
                }
                Stage::Handling { seen, read, .. } => {
                    move_or_drop(seen);
                    read.iter_mut().for_each(|read| shifted(&mut read.row.generation));
                }
                Stage::Swapping { write, decision, .. } => {
                    move_or_drop(write);
                    if write.is_none() {
                        *decision = Sends::NOTHING;
                    }
                    decision.refresh.as_mut().map(shifted);
                }
                Stage::Serving { carries, .. } | Stage::Responded { carries, .. } => {
                    carries.as_mut().map(shifted);
                }
            }
        }
        self.requests.sort_by_cached_key(|request| {
            let mut hasher = DefaultHasher::new();
            request.hash(&mut hasher);
            hasher.finish()
        });
    }

    /// Relative to the stored counter, and all alike that no failover makes valid again.
    fn normalise_counters(&mut self, scenario: &Scenario) {
        let can_return = scenario.writes_lost as u8 * u8::from(self.failovers < scenario.failovers);
        let oldest = (COUNTER - 1 - can_return).max(NO_COUNTER);
        let shift = self.stored.binding.map_or(0, |binding| COUNTER.wrapping_sub(binding.counter));
        let moved = |counter: &mut u8| *counter = counter.wrapping_add(shift).max(oldest);
        let move_session = |session: &mut Session| {
            session.binding.iter_mut().for_each(|binding| moved(&mut binding.counter));
            moved(&mut session.known.used);
        };
        move_session(&mut self.stored);
        self.before.iter_mut().for_each(move_session);
        self.device.iter_mut().for_each(|device| moved(&mut device.challenge));
        self.copied.iter_mut().for_each(|proof| moved(&mut proof.counter));
        for request in &mut self.requests {
            if let Kind::Proof(proof) = &mut request.kind {
                moved(&mut proof.counter);
            }
            match &mut request.stage {
                Stage::Handling { seen: Some(session), .. }
                | Stage::Swapping { write: Some(session), .. }
                | Stage::RollingForward { write: session } => move_session(session),
                Stage::Responded {
                    answer: Answer::Accepted { next } | Answer::Rejected { next }, ..
                } => {
                    moved(next);
                }
                _ => {}
            }
        }
    }
}
