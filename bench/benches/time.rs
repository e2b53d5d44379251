//! How long a request takes: `cargo bench --bench time [NAME]`.
#![allow(missing_docs, reason = "criterion's macros write functions without")]

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use tower_refresh_bench::{requests::Batches, scenarios};

/// Bounds what a batch of requests takes in memory.
const LONGEST_BATCH: u64 = 1000;

fn time(criterion: &mut Criterion) {
    for scenario in scenarios::all().into_iter().filter(|scenario| !scenario.is_slow) {
        // A world is built only when its turn comes, and not where its name was filtered out.
        let mut batches: Option<Batches> = None;
        criterion.bench_function(scenario.name, |bencher| {
            let batches = batches.get_or_insert_with(scenario.prepare);
            bencher.iter_custom(|count| measure(batches, count));
        });
    }
}

fn measure(batches: &mut Batches, mut count: u64) -> Duration {
    let mut taken = Duration::ZERO;
    while count > 0 {
        let length = count.min(LONGEST_BATCH);
        let batch = batches(length as usize);
        let start = Instant::now();
        batch();
        taken += start.elapsed();
        count -= length;
    }
    taken
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30).warm_up_time(Duration::from_secs(1));
    targets = time
}
criterion_main!(benches);
