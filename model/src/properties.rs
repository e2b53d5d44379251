//! The properties, each with a sentence as its name.

use stateright::Property;
use tower_refresh_core::rotation::TokenClass;

use crate::{
    scenario::{Kind, Scenario},
    state::{Last, Party, Request, Stage, State},
    world::World,
};

pub(crate) const AUTHENTICATED: &str =
    "an honest browser of a live session is authenticated, whatever happens to its requests";
pub(crate) const NEVER_REUSE: &str =
    "losses of one kind, of responses or of acknowledged writes, never end a session";
pub(crate) const ELSEWHERE: &str = "a navigation from elsewhere changes nothing";
pub(crate) const UPGRADE: &str = "an upgrade with a late token spends late budget";
pub(crate) const NOT_LATE: &str = "without a loss, no request of an honest browser is overdue or late";
pub(crate) const JAR: &str = "the token in the browser's jar never goes back";
pub(crate) const SUCCESSOR: &str = "a response to T(p) carries T(p+1) or no T";
pub(crate) const NEWEST: &str = "a T that is sent is the newest";
pub(crate) const FORWARD: &str = "the generation never goes back except by a failover, and moves by one";
pub(crate) const ONE_PER_DAMPING: &str = "there is at most one rotation per damping interval";
pub(crate) const REVIVED: &str = "an ended session is never revived";
pub(crate) const ENDED: &str = "an ended session authenticates no request";
pub(crate) const AFTER_END: &str = "a commit whose load or swap comes after the session end sends no token";
pub(crate) const EXPIRED: &str = "after the expiries no request is authenticated and no token is sent";
pub(crate) const KNOWN: &str =
    "only the newest token, the one before and, after a failover, the one after are accepted";
pub(crate) const TWO_BEHIND: &str = "a token two generations behind ends the session";
pub(crate) const STALE: &str = "once the newest token was seen, the one before is accepted within the damping, and ends the session after it";
pub(crate) const BUDGET: &str = "no more late uses are granted than the budget allows";
pub(crate) const MINTED: &str =
    "once a proof was accepted, a refresh token alone is worth nothing to a thief";
pub(crate) const COPIED: &str = "a copy of a proof that was accepted is worth nothing";
pub(crate) const UNPROVEN: &str = "a browser that knows no session of its device needs no proof";
pub(crate) const ONCE: &str = "a challenge works once";
pub(crate) const KEY: &str = "the key of a session never changes";
pub(crate) const PROVEN: &str = "a proof of the session's device for its challenge is accepted";
pub(crate) const ROUND: &str = "a proof is rejected at most once before one is accepted";
pub(crate) const FREE: &str = "a proof spends no late budget";
pub(crate) const LOGGED_IN: &str =
    "an undisturbed request leaves the browser logged in with the newest token";
pub(crate) const DETECTED: &str = "a session that both the user and a thief keep using ends";

/// The safety properties that were violated on the way to a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Violations(u32);

impl Violations {
    pub(crate) fn record(&mut self, property: &'static str, violated: bool) {
        if violated {
            self.0 |= bit(property);
        }
    }

    fn has(self, property: &'static str) -> bool {
        self.0 & bit(property) != 0
    }
}

const SAFETY: [&str; 26] = [
    AUTHENTICATED,
    NEVER_REUSE,
    ELSEWHERE,
    UPGRADE,
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
    MINTED,
    COPIED,
    UNPROVEN,
    ONCE,
    KEY,
    PROVEN,
    ROUND,
    FREE,
];

fn bit(property: &'static str) -> u32 {
    let index = SAFETY.iter().position(|safety| *safety == property);
    1 << index.expect("a safety property")
}

// The checker takes plain functions, which cannot capture a name.
macro_rules! safety {
    ($name:ident) => {
        Property::always($name, |_: &World, state: &State| !state.violations.has($name))
    };
}

pub(crate) fn of(world: &World) -> Vec<Property<World>> {
    let mut properties = vec![
        safety!(AUTHENTICATED),
        safety!(NEVER_REUSE),
        safety!(JAR),
        safety!(ELSEWHERE),
        safety!(UPGRADE),
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
        safety!(MINTED),
        safety!(COPIED),
        safety!(UNPROVEN),
        safety!(ONCE),
        safety!(KEY),
        safety!(PROVEN),
        safety!(ROUND),
        safety!(FREE),
    ];
    if world.scenario.transit() <= world.scenario.grace() {
        properties.push(safety!(NOT_LATE));
    }
    // Sound in spite of stateright's limits on `eventually`: once these conditions are true they stay true, and every path
    // without a cycle reaches a state without a successor.
    if world.scenario.turns.is_some() {
        properties.push(Property::eventually(DETECTED, |_, state: &State| state.ended || state.replaced));
    } else {
        properties.push(Property::eventually(LOGGED_IN, |_, state: &State| {
            state.last == Last::Done { logged_in: true }
        }));
    }
    properties.extend(examples(&world.scenario));
    properties
}

/// Events that must happen in some history, so that no property is satisfied merely because nothing happens.
fn examples(scenario: &Scenario) -> Vec<Property<World>> {
    let mut examples =
        vec![Property::sometimes("a rotation is in transit to the browser", |_, state: &State| {
            state
                .requests
                .iter()
                .any(|request| matches!(request.stage, Stage::Responded { carries: Some(_), .. }))
        })];
    if scenario.turns.is_none() && (scenario.device.is_none() || scenario.losses > 0) {
        examples.push(Property::sometimes(
            "the previous token arrives within the grace period",
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
        examples.push(Property::sometimes("a token arrives late", |_, state: &State| {
            state.requests.iter().any(|request| is_handled_as(request, TokenClass::Late))
        }));
        examples.push(Property::sometimes("a response is granted late", |_, state: &State| state.lates > 0));
    }
    if scenario.losses > scenario.burst() {
        examples.push(Property::sometimes("the budget is spent", |world: &World, state: &State| {
            state.lates >= world.scenario.burst()
        }));
    }
    if scenario.elsewhere {
        examples.push(Property::sometimes("a navigation comes from elsewhere", |_, state: &State| {
            state.requests.iter().any(|request| request.kind == Kind::Elsewhere)
        }));
    }
    if scenario.upgrades && (scenario.losses > 0 || scenario.thieves > 0) {
        examples
            .push(Property::sometimes("an upgrade spends late budget", |_, state: &State| state.unsent > 0));
    }
    if scenario.failovers > 0 {
        examples.push(Property::sometimes("a row is rolled forward", |_, state: &State| {
            state.requests.iter().any(|request| matches!(request.stage, Stage::RollingForward { .. }))
        }));
    }
    if scenario.thieves > 0 {
        examples.push(Property::sometimes("a reuse is detected", |_, state: &State| {
            state.requests.iter().any(|request| request.stage == Stage::Ending { logout: false })
        }));
    }
    if scenario.logout {
        examples.push(Property::sometimes(
            "a request is in progress when the user logs out",
            |_, state: &State| {
                state.ended
                    && state.requests.iter().any(|request| matches!(request.stage, Stage::Swapping { .. }))
            },
        ));
    }
    if scenario.device.is_some() {
        examples.extend(device_examples(scenario));
    }
    if scenario.expires {
        examples.push(Property::sometimes("a session expires", |_, state: &State| {
            !state.stored.known.has_left(0)
        }));
    }
    examples
}

fn device_examples(scenario: &Scenario) -> Vec<Property<World>> {
    let mut examples = vec![
        Property::sometimes("a binding is confirmed", |_, state: &State| state.stored.known.proven),
        Property::sometimes("the answer to a registration is lost", |_, state: &State| {
            let is_registration = |request: &Request| matches!(request.kind, Kind::Register { .. });
            let is_bound = state.stored.binding.is_some();
            is_bound && state.device.is_none() && !state.requests.iter().any(is_registration)
        }),
        Property::sometimes("a challenge is stale", |_, state: &State| {
            state.device.is_some_and(|device| device.rejected)
        }),
        Property::sometimes("a proof rotates the token", |_, state: &State| {
            state.requests.iter().any(|request| {
                let is_proof = matches!(request.kind, Kind::Proof(_));
                is_proof && matches!(request.stage, Stage::Responded { carries: Some(_), .. })
            })
        }),
        Property::sometimes("a token leaves without a proof", |_, state: &State| {
            state.stored.known.proven && state.requests.iter().any(|request| request.unrefreshed)
        }),
    ];
    if scenario.losses > 0 || scenario.thieves > 0 {
        examples.push(Property::sometimes("a proof comes with a late token", |_, state: &State| {
            state.requests.iter().any(|request| {
                let class = TokenClass::Late;
                let is_proof = matches!(request.kind, Kind::Proof(_));
                is_proof && matches!(request.stage, Stage::Swapping { class: found, .. } if found == class)
            })
        }));
    }
    if scenario.thieves > 0 {
        examples.push(Property::sometimes("a thief comes without a proof", |_, state: &State| {
            let is_thief = |request: &Request| request.from == Party::Thief && request.kind == Kind::Own;
            state.stored.known.proven && state.requests.iter().any(is_thief)
        }));
        examples.push(Property::sometimes("a thief sends a copy of a proof", |_, state: &State| {
            let is_copy = |request: &Request| matches!(request.kind, Kind::Proof(_));
            state.requests.iter().any(|request| request.from == Party::Thief && is_copy(request))
        }));
    }
    examples
}

fn is_handled_as(request: &Request, wanted: TokenClass) -> bool {
    matches!(request.stage, Stage::Handling { class, .. } if class == wanted)
}
