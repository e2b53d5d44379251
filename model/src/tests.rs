//! The bounded run; the deep one is ignored.

use std::time::Duration;

use tower_refresh_core::LateBudget;

use crate::{
    check::{check, counter_example},
    limits::Limit,
    mutant::Mutant,
    properties,
    scenario::{Scenario, Turns},
};

fn assert_clean(scenarios: &[Scenario]) {
    for scenario in scenarios {
        let report = check(scenario);
        assert!(report.failures.is_empty(), "{}:\n{}", scenario.name, report.failures.join("\n"));
    }
}

#[test]
fn the_rules_satisfy_every_property_in_every_history() {
    assert_clean(&Scenario::bounded());
}

#[test]
#[ignore = "takes fifteen minutes"]
fn the_rules_satisfy_every_property_in_finer_and_larger_worlds() {
    assert_clean(&Scenario::deep());
}

#[test]
fn every_mutant_violates_its_property() {
    for mutant in Mutant::ALL {
        let (scenario, property) = mutant.violates();
        assert!(
            counter_example(&scenario, Some(mutant), property).is_some(),
            "{mutant:?} satisfies: {property}"
        );
    }
}

#[test]
fn the_world_notices_when_a_navigation_from_elsewhere_changes_something() {
    let (scenario, mutant) = (Scenario::elsewhere(), Mutant::ElsewhereCommits);
    assert!(counter_example(&scenario, Some(mutant), properties::ELSEWHERE).is_some());
}

#[test]
fn the_world_notices_when_the_browser_itself_uses_a_challenge_twice() {
    let (scenario, mutant) = (Scenario::device(), Mutant::ChallengeWorksTwice);
    assert!(counter_example(&scenario, Some(mutant), properties::ONCE).is_some());
}

/// The limits in `docs/model.md`. If one of them is removed, the page must be changed.
#[test]
fn every_limit_violates_its_property() {
    for limit in Limit::ALL {
        let (scenario, property) = limit.violates();
        assert!(counter_example(&scenario, None, property).is_some(), "{limit:?} satisfies: {property}");
    }
}

#[test]
fn a_theft_is_detected_after_five_exchanges_and_three_more_per_late_use_and_no_sooner() {
    for burst in 0..=3 {
        let detected_within = |exchanges| {
            let mut scenario = Scenario::turns();
            scenario.policy.late = LateBudget::limited(burst, Duration::from_secs(12 * 60 * 60));
            scenario.turns = scenario.turns.map(|turns| Turns { exchanges, ..turns });
            counter_example(&scenario, None, properties::DETECTED).is_none()
        };
        let exchanges = 5 + 3 * burst as u8;
        assert!(detected_within(exchanges), "with {burst} late uses");
        assert!(!detected_within(exchanges - 1), "with {burst} late uses");
    }
}
