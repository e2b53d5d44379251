//! Counts instructions with callgrind: `instructions [--check | --rewrite | NAME...]`.
//!
//! Each scenario runs in two separate processes, with a number of requests and with twice that number. The difference is the
//! cost of these requests in the warm state; costs that occur once in a process cancel out.
#![allow(clippy::unwrap_used, reason = "a benchmark panics on unexpected errors")]

use std::{
    env, fs, io,
    process::{Command, ExitCode, Stdio},
    thread,
    time::Duration,
};

use tower_refresh_bench::{
    figures::{Baseline, Task},
    requests::Batch,
    scenarios::{self, Scenario},
};

const REQUESTS: usize = 1000;
const WARM_UP: usize = 100;
const GROWTH_PERCENT: u64 = 5;
/// The requests of a batch are made in advance, so more chunks are freed than glibc keeps in its cache, and it merges them from
/// time to time. How often depends on their sizes and places, and moved the figure of a scenario by 540 instructions although the
/// code of a request was the same.
const UNBOUNDED_CACHE: &str = "glibc.malloc.tcache_count=60000";

fn main() -> io::Result<ExitCode> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    if let [flag, name, count] = arguments.as_slice()
        && flag == "--run"
    {
        run(name, count.parse().unwrap());
        return Ok(ExitCode::SUCCESS);
    }
    let task = Task::from_arguments(&arguments);
    let mut figures = Vec::new();
    for scenario in task.scenarios() {
        let less = scenario.less.filter(|_| !matches!(task, Task::Print(_))).and_then(scenarios::named);
        let less = less.map_or(Ok(0), |less| per_request(&less))?;
        figures.push((scenario.name, per_request(&scenario)? - less));
    }
    let passed = Baseline::new("instructions", GROWTH_PERCENT).finish(&task, &figures)?;
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn per_request(scenario: &Scenario) -> io::Result<u64> {
    let [once, twice] = thread::scope(|scope| {
        [REQUESTS, 2 * REQUESTS]
            .map(|count| scope.spawn(move || count_instructions(scenario, count)))
            .map(|counted| counted.join().unwrap())
    });
    Ok((twice? - once?) / REQUESTS as u64)
}

/// Runs inside callgrind.
fn run(name: &str, count: usize) {
    let scenario = scenarios::named(name).unwrap();
    let mut batches = (scenario.prepare)();
    batches(WARM_UP)();
    let batch = batches(count);
    if scenario.is_slow {
        start_instrumentation();
    }
    toggles_collection(batch);
}

/// Starts callgrind's instrumentation from outside, because from inside it needs unsafe code.
fn start_instrumentation() {
    let this = std::process::id().to_string();
    let mut switch = Command::new("callgrind_control")
        .args(["--instr=on", &this])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Valgrind reacts between two system calls, so this must not block in one.
    while switch.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Callgrind counts while this function runs, and identifies it by its name.
#[inline(never)]
fn toggles_collection(batch: Batch) {
    batch();
}

fn count_instructions(scenario: &Scenario, count: usize) -> io::Result<u64> {
    let name = scenario.name;
    let file = env::temp_dir().join(format!("tower-refresh-bench.{}.{name}.{count}", std::process::id()));
    let status = Command::new("valgrind")
        .env("GLIBC_TUNABLES", UNBOUNDED_CACHE)
        .args([
            "--tool=callgrind",
            "--quiet",
            "--collect-atstart=no",
            "--toggle-collect=*toggles_collection*",
        ])
        .arg(format!("--instr-atstart={}", if scenario.is_slow { "no" } else { "yes" }))
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(env::current_exe()?)
        .args(["--run", name, &count.to_string()])
        .stdout(Stdio::null())
        .status()?;
    if !status.success() {
        return Err(io::Error::other(format!("valgrind failed: {status}")));
    }
    let text = fs::read_to_string(&file)?;
    fs::remove_file(&file)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
    total.ok_or_else(|| io::Error::other("callgrind wrote no totals"))
}
