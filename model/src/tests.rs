//! The bounded run; the deep one is ignored.

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
        assert!(
            counter_example(&scenario, None, property).is_none(),
            "the rules themselves break: {property}"
        );
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
fn a_theft_is_found_out_after_twelve_exchanges_and_no_sooner() {
    let turns = Scenario::turns();
    let shorter = turns.turns.map(|turns| Turns { exchanges: turns.exchanges - 1, ..turns });
    let shorter = Scenario { turns: shorter, ..turns };
    assert!(counter_example(&shorter, None, properties::FOUND_OUT).is_some());
}
