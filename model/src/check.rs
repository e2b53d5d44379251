//! One run of the checker.

use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model, Path};

use crate::{
    mutant::Mutant,
    rules::Rules,
    scenario::Scenario,
    state::State,
    world::{Action, World},
};

#[derive(Debug)]
pub(crate) struct Report {
    /// The number of states.
    pub(crate) states: usize,
    /// The number of steps between them.
    pub(crate) steps: usize,
    pub(crate) took: Duration,
    /// The violated properties, and the examples that were not found.
    pub(crate) failures: Vec<String>,
}

/// Visits every state of the scenario, with the real rules.
pub(crate) fn check(scenario: &Scenario) -> Report {
    assert_eq!(scenario.policy.validate(), Ok(()), "the middleware accepts the policy");
    let start = Instant::now();
    let world = World::real(scenario);
    let properties = world.properties();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let checker =
        world.checker().threads(threads).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let found = checker.discoveries();
    let failures = properties.iter().filter_map(|property| {
        let path = found.get(property.name);
        match (property.expectation.discovery_is_failure(), path) {
            (true, Some(path)) => Some(format!("violated: {}\n{}", property.name, describe(path))),
            (false, None) => Some(format!("no example: {}", property.name)),
            _ => None,
        }
    });
    Report {
        states: checker.unique_state_count(),
        steps: checker.state_count(),
        took: start.elapsed(),
        failures: failures.collect(),
    }
}

/// The shortest history that violates `property`.
pub(crate) fn counter_example(
    scenario: &Scenario,
    mutant: Option<Mutant>,
    property: &'static str,
) -> Option<String> {
    let mut world = World::real(scenario);
    world.only = Some(property);
    if let Some(mutant) = mutant {
        world.rules = Rules::mutated(scenario.policy.clone(), mutant);
    }
    // One thread, otherwise the history might not be a shortest one.
    let checker = world.checker().threads(1).spawn_bfs().join();
    checker.discovery(property).map(|path| describe(&path))
}

fn describe(path: &Path<State, Action>) -> String {
    let mut history = String::new();
    let mut ticks = 0;
    let steps = path.clone().into_vec();
    for (index, (state, action)) in steps.iter().enumerate() {
        let Some(action) = action else { continue };
        if *action == Action::Tick {
            ticks += 1;
            continue;
        }
        let after = steps.get(index + 1).map_or(state, |(after, _)| after);
        history += &format!("  {ticks:>3}  {}\n", action.describe(state, after));
    }
    history
}
