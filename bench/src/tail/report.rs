//! Tables of latencies.

use std::time::Duration;

use super::load::Outcome;

/// The rounds of one side.
#[derive(Debug, Default)]
pub(super) struct Report {
    hits: Vec<Duration>,
    refreshes: Vec<Duration>,
    took: Duration,
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
    }

    pub(super) fn per_second(&self) -> f64 {
        (self.hits.len() + self.refreshes.len()) as f64 / self.took.as_secs_f64()
    }
}

/// Prints both sides, and the ratios.
pub(super) fn print(title: &str, [ours, other]: &[Report; 2]) {
    println!("\n## {title}\n\n| | requests/s | p50 | p95 | p99 | p99.9 |\n|---|---|---|---|---|---|");
    let all = |report: &Report| report.hits.iter().chain(&report.refreshes).copied().collect();
    row("tower-refresh", Some(ours.per_second()), all(ours));
    row("of these, hits", None, ours.hits.clone());
    row("of these, refreshes", None, ours.refreshes.clone());
    row("other", Some(other.per_second()), all(other));
    let ratios = |one: Vec<Duration>, two: Vec<Duration>| {
        let [one, two] = [one, two].map(|side| percentiles(side, PERCENTILES));
        let ratios = one.iter().zip(two).map(|(one, two)| format!("{:.2}", one.as_secs_f64() / two.as_secs_f64()));
        ratios.collect::<Vec<_>>().join(" | ")
    };
    let throughput = ours.per_second() / other.per_second();
    println!("| **ratio** | {throughput:.2} | {} |", ratios(all(ours), all(other)));
    println!("| ratio of refreshes to all of the other | | {} |", ratios(ours.refreshes.clone(), all(other)));
    let mut rounds: Vec<_> =
        ours.rounds.iter().zip(&other.rounds).map(|(ours, other)| ours.as_secs_f64() / other.as_secs_f64()).collect();
    rounds.sort_by(f64::total_cmp);
    let [low, middle, high] = [1, 2, 3].map(|quarter| rounds[(rounds.len() - 1) * quarter / 4]);
    println!("\nThe ratio of p99 in single rounds: {middle:.2}, half of them between {low:.2} and {high:.2}.");
}

const PERCENTILES: [f64; 4] = [0.5, 0.95, 0.99, 0.999];

fn row(name: &str, per_second: Option<f64>, latencies: Vec<Duration>) {
    let latencies = percentiles(latencies, PERCENTILES).map(|latency| format!("{:.2} ms", latency.as_secs_f64() * 1e3));
    let per_second = per_second.map_or(String::new(), |per_second| format!("{per_second:.0}"));
    println!("| {name} | {per_second} | {} |", latencies.join(" | "));
}

fn percentiles<const N: usize>(mut latencies: Vec<Duration>, parts: [f64; N]) -> [Duration; N] {
    latencies.sort_unstable();
    parts.map(|part| latencies[((latencies.len() - 1) as f64 * part) as usize])
}
