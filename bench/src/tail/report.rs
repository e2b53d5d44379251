//! Tables of latencies.

use std::time::Duration;

use super::load::Outcome;

/// The rounds of one side.
#[derive(Debug, Default)]
pub(super) struct Report {
    hits: Vec<Duration>,
    refreshes: Vec<Duration>,
    took: Duration,
    /// Whether one in some requests was a refresh.
    refreshed: bool,
    /// The 99th percentile of each round, of all requests.
    rounds: Vec<Duration>,
}

impl Report {
    pub(super) fn add(&mut self, round: Outcome) {
        let all: Vec<_> = round.hits.iter().chain(&round.refreshes).copied().collect();
        self.rounds.push(percentiles(all, [0.99])[0]);
        self.hits.extend(round.hits);
        self.refreshes.extend(round.refreshes);
        self.took += round.took;
        self.refreshed = round.refreshed;
    }

    pub(super) fn per_second(&self) -> f64 {
        (self.hits.len() + self.refreshes.len()) as f64 / self.took.as_secs_f64()
    }
}

/// Prints both sides, and the ratios.
pub(super) fn print(title: &str, names: &[&str; 2], [ours, other]: &[Report; 2]) {
    println!("\n## {title}\n\n| | requests/s | p50 | p95 | p99 | p99.9 |\n|---|---|---|---|---|---|");
    let all = |report: &Report| report.hits.iter().chain(&report.refreshes).copied().collect();
    for (name, side) in names.iter().zip([ours, other]) {
        row(name, Some(side.per_second()), all(side));
        if side.refreshed {
            row("its hits", None, side.hits.clone());
            row("its refreshes", None, side.refreshes.clone());
        }
    }
    let ratios = |one: Vec<Duration>, two: Vec<Duration>| {
        let [one, two] = [one, two].map(|side| percentiles(side, PERCENTILES));
        let ratios =
            one.iter().zip(two).map(|(one, two)| format!("{:.2}", one.as_secs_f64() / two.as_secs_f64()));
        ratios.collect::<Vec<_>>().join(" | ")
    };
    let throughput = ours.per_second() / other.per_second();
    println!("| **ratio** | {throughput:.2} | {} |", ratios(all(ours), all(other)));
    println!(
        "| **ratio**, refreshes alone to all of the other | | {} |",
        ratios(ours.refreshes.clone(), all(other))
    );
    // What else runs on the machine only adds to a round, so that the quietest ones say most.
    let quiet = [ours, other]
        .map(|side| percentiles(side.rounds.clone(), [0.25, 0.5]).map(|p99| p99.as_secs_f64() * 1e3));
    let [[our_quiet, our_middle], [other_quiet, other_middle]] = quiet;
    println!(
        "\np99 of single rounds: in the middle one {our_middle:.2} ms and {other_middle:.2} ms, **{:.2}**; in the quietest \
         quarter at most {our_quiet:.2} ms and {other_quiet:.2} ms, **{:.2}**",
        our_middle / other_middle,
        our_quiet / other_quiet
    );
}

const PERCENTILES: [f64; 4] = [0.5, 0.95, 0.99, 0.999];

fn row(name: &str, per_second: Option<f64>, latencies: Vec<Duration>) {
    let latencies =
        percentiles(latencies, PERCENTILES).map(|latency| format!("{:.2} ms", latency.as_secs_f64() * 1e3));
    let per_second = per_second.map_or(String::new(), |per_second| format!("{per_second:.0}"));
    println!("| {name} | {per_second} | {} |", latencies.join(" | "));
}

fn percentiles<const N: usize>(mut latencies: Vec<Duration>, parts: [f64; N]) -> [Duration; N] {
    latencies.sort_unstable();
    parts.map(|part| latencies[((latencies.len() - 1) as f64 * part) as usize])
}
