//! A model check of the rotation rules: it visits every history of a small world that calls the real functions.
//!
//! `docs/model.md` describes the model and the results.

mod check;
mod describe;
mod device;
mod device_rules;
mod device_scenarios;
mod limits;
mod mutant;
mod properties;
mod resend;
mod responses;
mod rules;
mod scenario;
mod session;
mod state;
mod steps;
#[cfg(test)]
mod tests;
mod verdicts;
mod world;

use std::{env, process::ExitCode};

use crate::{check::check, limits::Limit, mutant::Mutant, scenario::Scenario};

const USAGE: &str = "rotation-model [bounded | deep | mutants | limits | <a scenario's name>]";

fn main() -> ExitCode {
    let run = env::args().nth(1).unwrap_or_else(|| "bounded".to_owned());
    match run.as_str() {
        "bounded" => scenarios(&Scenario::bounded()),
        "deep" => scenarios(&Scenario::deep()),
        "mutants" => {
            for mutant in Mutant::ALL {
                let (scenario, property) = mutant.violates();
                let found = check::counter_example(&scenario, Some(mutant), property);
                print_counter_example(&format!("{mutant:?}"), &scenario, property, found);
            }
            ExitCode::SUCCESS
        }
        "limits" => {
            for limit in Limit::ALL {
                let (scenario, property) = limit.violates();
                let found = check::counter_example(&scenario, None, property);
                print_counter_example(&format!("{limit:?}"), &scenario, property, found);
            }
            ExitCode::SUCCESS
        }
        name => {
            let mut known = Scenario::bounded();
            known.extend(Scenario::deep());
            known.retain(|scenario| scenario.name == name);
            if known.is_empty() {
                eprintln!("{USAGE}");
                return ExitCode::FAILURE;
            }
            scenarios(&known)
        }
    }
}

fn scenarios(scenarios: &[Scenario]) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for scenario in scenarios {
        let report = check(scenario);
        println!(
            "{:<20} {:>9} states {:>9} steps {:>6.1} s",
            scenario.name,
            report.states,
            report.steps,
            report.took.as_secs_f32()
        );
        for failure in report.failures {
            println!("{failure}");
            code = ExitCode::FAILURE;
        }
    }
    code
}

fn print_counter_example(name: &str, scenario: &Scenario, property: &str, found: Option<String>) {
    println!("{name}, in {}: {property}", scenario.name);
    println!("{}", found.unwrap_or_else(|| "  no counter-example\n".to_owned()));
}
