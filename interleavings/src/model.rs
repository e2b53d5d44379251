//! Runs the models.

use loom::model::Builder;

/// Runs `model` in every order of its threads, with at most `preemptions` preemptions.
pub(crate) fn explore(preemptions: impl Into<Option<usize>>, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = preemptions.into();
    builder.max_branches = 100_000;
    let runs = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let count = runs.clone();
    builder.check(move || {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        model();
    });
    println!("{} orders", runs.load(std::sync::atomic::Ordering::Relaxed));
}
