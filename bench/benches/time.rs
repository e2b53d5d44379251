//! The time of a request: `cargo bench --bench time [NAME]`.
#![allow(missing_docs, reason = "criterion's macros generate functions without documentation")]

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use tower_refresh_bench::{requests::Batches, scenarios};

/// Limits the memory of a batch of requests.
const MAX_BATCH: u64 = 1000;

fn time(criterion: &mut Criterion) {
    for scenario in scenarios::all().into_iter().filter(|scenario| !scenario.is_slow) {
        // A scenario is prepared only before its measurement, and not if its name is filtered out.
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
        let length = count.min(MAX_BATCH);
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
