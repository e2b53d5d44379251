//! What must hold, each by a sentence.

use stateright::Property;
use tower_refresh_core::rotation::TokenClass;

use crate::{
    scenario::Scenario,
    state::{Last, Request, Stage, State},
    world::World,
};

pub(crate) const LET_IN: &str =
    "an honest browser of a live session is let in, whatever its requests run into";
pub(crate) const NOT_LATE: &str = "without a loss nothing of an honest browser's is late";
pub(crate) const JAR: &str = "the browser's token never goes back";
pub(crate) const SUCCESSOR: &str = "a response to T(p) carries T(p+1) or no T";
pub(crate) const NEWEST: &str = "a T that is sent is the newest";
pub(crate) const FORWARD: &str = "the generation never goes back but by a failover, and moves by one";
pub(crate) const ONE_PER_DAMPING: &str = "there is at most one rotation per damping";
pub(crate) const REVIVED: &str = "nothing revives an ended session";
pub(crate) const ENDED: &str = "an ended session lets nobody in";
pub(crate) const AFTER_END: &str = "a commit whose load or swap comes after the end sends nothing";
pub(crate) const EXPIRED: &str = "nothing is let in or sent after the expiries";
pub(crate) const KNOWN: &str =
    "only the newest token, the one before and, after a failover, the one after are let in";
pub(crate) const TWO_BEHIND: &str = "a token two generations behind ends the session";
pub(crate) const STALE: &str =
    "once the newest token was seen, the one before is good for the grace and no longer";
pub(crate) const BUDGET: &str = "no more is granted late than the budget allows";
pub(crate) const LOGGED_IN: &str =
    "an undisturbed request leaves the browser logged in with the newest token";
pub(crate) const FOUND_OUT: &str = "a session that the user and a thief both go on using ends";

/// Which of the safety properties were broken on the way to a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Faults(u16);

impl Faults {
    pub(crate) fn note(&mut self, property: &'static str, broken: bool) {
        if broken {
            self.0 |= bit(property);
        }
    }

    fn has(self, property: &'static str) -> bool {
        self.0 & bit(property) != 0
    }
}

const SAFETY: [&str; 15] = [
    LET_IN,
    NOT_LATE,
    JAR,
    SUCCESSOR,
    NEWEST,
    FORWARD,
    ONE_PER_DAMPING,
    REVIVED,
    ENDED,
    AFTER_END,
    EXPIRED,
    KNOWN,
    TWO_BEHIND,
    STALE,
    BUDGET,
];

fn bit(property: &'static str) -> u16 {
    let index = SAFETY.iter().position(|safety| *safety == property);
    1 << index.expect("a safety property")
}

// The checker takes plain functions, which cannot carry a name along.
macro_rules! safety {
    ($name:ident) => {
        Property::always($name, |_: &World, state: &State| !state.faults.has($name))
    };
}

pub(crate) fn of(world: &World) -> Vec<Property<World>> {
    let mut properties = vec![
        safety!(LET_IN),
        safety!(NOT_LATE),
        safety!(JAR),
        safety!(SUCCESSOR),
        safety!(NEWEST),
        safety!(FORWARD),
        safety!(ONE_PER_DAMPING),
        safety!(REVIVED),
        safety!(ENDED),
        safety!(AFTER_END),
        safety!(EXPIRED),
        safety!(KNOWN),
        safety!(TWO_BEHIND),
        safety!(STALE),
        safety!(BUDGET),
    ];
    // Sound in spite of stateright's limits on `eventually`: what they wait for is part of the state and stays, and a
    // state without a next one is reached by every path that does not go round for ever.
    if world.scenario.turns.is_some() {
        properties.push(Property::eventually(FOUND_OUT, |_, state: &State| state.ended));
    } else {
        properties.push(Property::eventually(LOGGED_IN, |_, state: &State| {
            state.last == Last::Over { good: true }
        }));
    }
    properties.extend(examples(&world.scenario));
    properties
}

/// What must happen in some history, lest a property hold because nothing ever happens.
fn examples(scenario: &Scenario) -> Vec<Property<World>> {
    let mut examples =
        vec![Property::sometimes("a rotation is on its way to the browser", |_, state: &State| {
            state
                .requests
                .iter()
                .any(|request| matches!(request.stage, Stage::Answered { carries: Some(_), .. }))
        })];
    if scenario.turns.is_none() {
        examples.push(Property::sometimes(
            "the previous token comes within the grace",
            |_, state: &State| {
                state.requests.iter().any(|request| is_handled_as(request, TokenClass::Previous))
            },
        ));
    }
    if scenario.tabs > 1 {
        examples.push(Property::sometimes("a swap meets a conflict", |_, state: &State| {
            state.requests.iter().any(|request| matches!(request.stage, Stage::Swapping { write: None, .. }))
        }));
    }
    if scenario.losses > 0 || scenario.thieves > 0 {
        examples.push(Property::sometimes("a token comes late", |_, state: &State| {
            state.requests.iter().any(|request| is_handled_as(request, TokenClass::Late))
        }));
        examples.push(Property::sometimes("a response is granted late", |_, state: &State| state.lates > 0));
    }
    if scenario.failovers > 0 {
        examples.push(Property::sometimes("a row is rolled forward", |_, state: &State| {
            state.requests.iter().any(|request| matches!(request.stage, Stage::Mending { .. }))
        }));
    }
    if scenario.thieves > 0 {
        examples.push(Property::sometimes("a reuse is found out", |_, state: &State| {
            state.requests.iter().any(|request| request.stage == Stage::Ending { logout: false })
        }));
    }
    if scenario.logout {
        examples.push(Property::sometimes(
            "a request is under way when the user logs out",
            |_, state: &State| {
                state.ended
                    && state.requests.iter().any(|request| matches!(request.stage, Stage::Swapping { .. }))
            },
        ));
    }
    if scenario.expires {
        examples.push(Property::sometimes("a session expires", |_, state: &State| {
            !state.stored.known.has_left(0)
        }));
    }
    examples
}

fn is_handled_as(request: &Request, wanted: TokenClass) -> bool {
    matches!(request.stage, Stage::Handling { class, .. } if class == wanted)
}
