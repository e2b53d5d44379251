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
    /// How many states there are.
    pub(crate) states: usize,
    /// How many steps between them.
    pub(crate) steps: usize,
    pub(crate) took: Duration,
    /// The properties that were broken, and examples that were not found.
    pub(crate) failures: Vec<String>,
}

/// Visits every state of the scenario, with the real rules.
pub(crate) fn check(scenario: &Scenario) -> Report {
    assert_eq!(scenario.policy.validate(), Ok(()), "a policy that the middleware would take");
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
            (true, Some(path)) => Some(format!("broken: {}\n{}", property.name, tell(path))),
            (false, None) => Some(format!("never: {}", property.name)),
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

/// The shortest history that breaks `property`.
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
    // By one thread, or the history might not be a shortest one.
    let checker = world.checker().threads(1).spawn_bfs().join();
    checker.discovery(property).map(|path| tell(&path))
}

fn tell(path: &Path<State, Action>) -> String {
    let mut story = String::new();
    let mut ticks = 0;
    let steps = path.clone().into_vec();
    for (index, (state, action)) in steps.iter().enumerate() {
        let Some(action) = action else { continue };
        if *action == Action::Tick {
            ticks += 1;
            continue;
        }
        let after = steps.get(index + 1).map_or(state, |(after, _)| after);
        story += &format!("  {ticks:>3}  {}\n", action.tell(state, after));
    }
    story
}
