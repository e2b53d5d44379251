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
fn the_rules_keep_every_property_in_every_history() {
    assert_clean(&Scenario::bounded());
}

#[test]
#[ignore = "takes five minutes"]
fn the_rules_keep_every_property_in_finer_and_fuller_worlds() {
    assert_clean(&Scenario::deep());
}

#[test]
fn every_mutant_breaks_its_property() {
    for mutant in Mutant::ALL {
        let (scenario, property) = mutant.breaks();
        assert!(counter_example(&scenario, Some(mutant), property).is_some(), "{mutant:?} keeps: {property}");
    }
}

/// What `docs/model.md` says is not promised. If one of these is mended, the page is to be changed.
#[test]
fn every_limit_is_real() {
    for limit in Limit::ALL {
        let (scenario, property) = limit.breaks();
        assert!(counter_example(&scenario, None, property).is_some(), "{limit:?} keeps: {property}");
    }
}

#[test]
fn a_theft_is_found_out_after_four_exchanges_and_four_more_per_late_use_and_no_sooner() {
    for burst in 0..=3 {
        let found_out_within = |exchanges| {
            let mut scenario = Scenario::turns();
            scenario.policy.late = LateBudget::limited(burst, Duration::from_secs(12 * 60 * 60));
            scenario.turns = scenario.turns.map(|turns| Turns { exchanges, ..turns });
            counter_example(&scenario, None, properties::FOUND_OUT).is_none()
        };
        let exchanges = 4 + 4 * burst as u8;
        assert!(found_out_within(exchanges), "with {burst} late uses");
        assert!(!found_out_within(exchanges - 1), "with {burst} late uses");
    }
}
