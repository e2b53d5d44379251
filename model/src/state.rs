//! The world at one moment.

use std::hash::{DefaultHasher, Hash, Hasher};

use tower_refresh_core::rotation::{Decision, TokenClass};

use crate::{
    properties::Faults,
    scenario::Scenario,
    session::{NEWEST, OLDEST, Session},
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) stored: Session,
    /// The row before the last write, which a failover brings back.
    pub(crate) before: Option<Session>,
    /// The session was ended, whatever the row says.
    pub(crate) ended: bool,
    /// Which servers have the session in their denylist.
    pub(crate) denied: [bool; 2],
    /// The generation in the browser's cookie jar.
    pub(crate) jar: Option<u8>,
    /// The newest generation that the thief holds; he holds all before it.
    pub(crate) thief: Option<u8>,
    /// The thief has used a token.
    pub(crate) tampered: bool,
    /// In an order of their own, since it makes no difference whose tab is whose.
    pub(crate) requests: Vec<Request>,
    pub(crate) losses: u8,
    pub(crate) failovers: u8,
    /// How many responses were granted late.
    pub(crate) lates: u8,
    pub(crate) last: Last,
    /// How many exchanges have begun, and how many ticks ago the newest ended. For [`Turns`](crate::scenario::Turns).
    pub(crate) exchanges: (u8, u8),
    pub(crate) faults: Faults,
}

/// One more request of the browser's, that nothing disturbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Last {
    Not,
    UnderWay,
    Over {
        /// The browser is logged in and holds the newest token.
        good: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Request {
    pub(crate) from: Party,
    pub(crate) presented: u8,
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
    /// About to swap in the row that was rolled forward.
    Mending {
        write: Session,
    },
    /// The handler runs. `seen` is the row of the first decision, while a swap with its version can succeed.
    Handling {
        class: TokenClass,
        seen: Option<Session>,
    },
    /// About to swap in what the second decision wrote.
    Swapping {
        class: TokenClass,
        write: Option<Session>,
        decision: Sends,
        round: u8,
    },
    /// The handler runs although the second decision was made: only where the rules are mutated.
    Serving {
        carries: Option<u8>,
        tokens: bool,
    },
    /// The response is on its way.
    Answered {
        carries: Option<u8>,
        logout: bool,
        tokens: bool,
    },
}

/// What goes out if the swap succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sends {
    pub(crate) tokens: bool,
    pub(crate) refresh: Option<u8>,
    pub(crate) late: bool,
}

impl Sends {
    pub(crate) const NOTHING: Self = Self { tokens: false, refresh: None, late: false };
}

impl From<&Decision> for Sends {
    fn from(decision: &Decision) -> Self {
        use tower_refresh_core::rotation::{Rule, Tokens};
        Self {
            tokens: decision.send != Tokens::None,
            refresh: match decision.send {
                Tokens::AccessAndRefresh { generation, .. } => Some(generation as u8),
                _ => None,
            },
            late: decision.rule == Rule::Late,
        }
    }
}

impl Request {
    /// No swap on what it has read can succeed any more.
    pub(crate) fn make_stale(&mut self) {
        match &mut self.stage {
            Stage::Handling { seen: row, .. } | Stage::Swapping { write: row, .. } => *row = None,
            Stage::Mending { .. } => self.stage = Stage::Sent { logout: false },
            _ => {}
        }
    }
}

impl State {
    pub(crate) fn login(scenario: &Scenario) -> Self {
        Self {
            stored: Session::login(scenario),
            before: None,
            ended: false,
            denied: [false; 2],
            jar: Some(NEWEST),
            thief: scenario.turns.map(|_| NEWEST),
            tampered: false,
            requests: Vec::new(),
            losses: 0,
            failovers: 0,
            lates: 0,
            last: Last::Not,
            exchanges: (0, 0),
            faults: Faults::default(),
        }
    }

    /// Beyond doubt: an idle expiry counts from a decision, and the world only saw the swap.
    pub(crate) fn is_live(&self, scenario: &Scenario) -> bool {
        !self.ended && self.stored.known.has_left(scenario.store.into())
    }

    pub(crate) fn under_way(&self, party: Party) -> usize {
        self.requests.iter().filter(|request| request.from == party).count()
    }

    /// The same world, told in one way only: relative to the stored generation and version, and without what can have
    /// no effect any more.
    pub(crate) fn normalise(&mut self, scenario: &Scenario, stale_writes_matter: bool) {
        let shift = NEWEST.wrapping_sub(self.stored.generation);
        let shifted = |generation: &mut u8| *generation = generation.wrapping_add(shift).max(OLDEST);
        let version = self.stored.version;
        // Only a failover brings an older version back.
        let returns = scenario.versions_return && self.failovers < scenario.failovers;
        let oldest_version = -i8::from(returns);
        let move_session = |session: &mut Session| {
            shifted(&mut session.generation);
            session.version -= version;
        };
        move_session(&mut self.stored);
        self.before.as_mut().map(move_session);
        if self.failovers == scenario.failovers {
            self.before = None;
        }
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
                Stage::Mending { write } => move_session(write),
                Stage::Handling { seen, .. } => move_or_drop(seen),
                Stage::Swapping { write, decision, .. } => {
                    move_or_drop(write);
                    if write.is_none() {
                        *decision = Sends::NOTHING;
                    }
                    decision.refresh.as_mut().map(shifted);
                }
                Stage::Serving { carries, .. } | Stage::Answered { carries, .. } => {
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
}
