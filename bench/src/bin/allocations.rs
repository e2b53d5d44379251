//! Counts calls of the allocator that allocate or reallocate: `allocations [--check | --rewrite | NAME...]`.
//!
//! As for instructions, the result is the difference between a number of requests and twice that number.

use std::{alloc::System, env, io, process::ExitCode};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tower_refresh_bench::{
    figures::{Baseline, Task},
    requests::Batch,
    scenarios::Scenario,
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const REQUESTS: usize = 200;

fn main() -> io::Result<ExitCode> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let task = Task::from_arguments(&arguments);
    let scenarios = task.scenarios();
    let figures: Vec<_> = scenarios.iter().map(|scenario| (scenario.name, per_request(scenario))).collect();
    let passed = Baseline::new("allocations", 0).finish(&task, &figures)?;
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn per_request(scenario: &Scenario) -> u64 {
    let mut batches = (scenario.prepare)();
    batches(REQUESTS)();
    let once = count(batches(REQUESTS));
    let twice = count(batches(2 * REQUESTS));
    (twice.saturating_sub(once) / REQUESTS) as u64
}

fn count(batch: Batch) -> usize {
    let region = Region::new(ALLOCATOR);
    batch();
    let change = region.change();
    change.allocations + change.reallocations
}
