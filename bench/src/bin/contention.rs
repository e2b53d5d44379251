//! The cost of concurrent requests: `contention [--million]`. It prints figures, and asserts nothing. With the feature `stores`,
//! `contention --stores` starts private servers of PostgreSQL and Redis, and counts the calls of each store.
#![allow(clippy::unwrap_used, reason = "a benchmark panics on unexpected errors")]

use std::{
    hint,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use axum::{Router, extract::Request, http::StatusCode};
use tokio::{runtime::Builder, task::JoinSet};
use tower::ServiceExt;
use tower_refresh_bench::{
    algorithm::Algorithm,
    crowd,
    ours::{self, AheadClock, Ours, Tokens},
    requests::{Batches, get, requests, runtime, with_bearer},
    scenarios,
    store::CountingStore,
};

/// Many short rounds, because on a busy machine few of them run undisturbed.
const ROUNDS: usize = 400;
const REQUESTS: usize = 2000;
const CONCURRENT: usize = 1000;

fn main() {
    #[cfg(feature = "stores")]
    if std::env::args().any(|argument| argument == "--stores") {
        return tower_refresh_bench::stores::print_calls();
    }
    let world = Ours::new(Algorithm::Hs256);
    let [first, second] = [world.login().access, world.login().access];
    // The limit of this machine: two threads that share only the allocator.
    scaling("the bare router", &scenarios::bare_router, [&first, &second]);
    let behind_layer = || ours::with_layer_on_routes(&world.auth);
    scaling("hits with distinct tokens", &behind_layer, [&first, &second]);
    scaling("hits with one shared token", &behind_layer, [&first, &first]);
    store_calls();
    concurrent_refreshes();
    if std::env::args().any(|argument| argument == "--million") {
        million();
    }
}

/// Reports the best of several rounds, because other processes can only slow it down.
fn scaling(name: &str, router: &(dyn Fn() -> Router + Sync), tokens: [&str; 2]) {
    let [mut one, mut two] = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        one = one.min(time_of_threads(router, &tokens[..1]));
        two = two.min(time_of_threads(router, &tokens));
    }
    let scales = 2.0 * one.as_secs_f64() / two.as_secs_f64();
    let nanoseconds = one.as_nanos() / REQUESTS as u128;
    println!("{name}: {nanoseconds} ns on one thread, two threads do {scales:.2} times as much");
}

/// The time from the start of the first thread to the end of the last one, with one thread for each token.
fn time_of_threads(router: &(dyn Fn() -> Router + Sync), tokens: &[&str]) -> Duration {
    let waiting = AtomicUsize::new(tokens.len());
    let measure = |token: &str| {
        let token = token.to_owned();
        let mut batches = requests(runtime(), router(), move || with_bearer(&token));
        batches(100)();
        let batch = batches(REQUESTS);
        waiting.fetch_sub(1, Ordering::AcqRel);
        // A spin loop, because a sleeping thread would start late.
        while waiting.load(Ordering::Acquire) > 0 {
            hint::spin_loop();
        }
        let start = Instant::now();
        batch();
        (start, Instant::now())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = tokens.iter().map(|token| scope.spawn(|| measure(token))).collect();
        let times: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        let start = times.iter().map(|(start, _)| *start).min().unwrap();
        times.iter().map(|(_, end)| end.duration_since(start)).max().unwrap()
    })
}

fn store_calls() {
    let store = CountingStore::default();
    let world = Ours::with(Algorithm::Hs256, |builder| builder.store(store.clone()));
    let tokens = world.login();
    store.take_calls();
    let cookies = tokens.cookies();
    requests(world.runtime.clone(), world.with_layer_on_routes(), move || get(&[("cookie", &cookies)]))(
        CONCURRENT,
    )();
    let [loads, swaps, others] = store.take_calls();
    println!(
        "{CONCURRENT} hits with both cookies: {loads} loads, {swaps} swaps and {others} other calls of the store"
    );
}

/// On one thread, with a store that responds in the first poll.
fn concurrent_refreshes() {
    let store = CountingStore::default();
    let clock = AheadClock::default();
    let world = Ours::with(Algorithm::Hs256, |builder| builder.store(store.clone()).clock(clock.clone()));
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let tokens = world.login();
        clock.expire_access_tokens();
        store.take_calls();
        best = best.min(time_of_concurrent(&world, &tokens));
    }
    let [loads, swaps, others] = store.take_calls();
    let each = best.as_nanos() / CONCURRENT as u128;
    println!(
        "{CONCURRENT} requests at once with one expired token: {loads} loads, {swaps} swaps and {others} other calls of \
         the store, {each} ns each"
    );
}

fn time_of_concurrent(world: &Ours, tokens: &Tokens) -> Duration {
    let cookies = tokens.cookies();
    let requests: Vec<Request> = (0..CONCURRENT).map(|_| get(&[("cookie", &cookies)])).collect();
    let router = world.with_layer_on_routes();
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let start = Instant::now();
        let mut running: JoinSet<_> =
            requests.into_iter().map(|request| router.clone().oneshot(request)).collect();
        while let Some(response) = running.join_next().await {
            let Ok(response) = response.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
        }
        start.elapsed()
    })
}

fn million() {
    let [mut few, mut many] = [1, crowd::TOKENS].map(crowd::hits);
    let [few, many] = [&mut few, &mut many].map(time_of_hit);
    println!("hits with one token: {few} ns, with {} in use: {many} ns", crowd::TOKENS);
}

fn time_of_hit(batches: &mut Batches) -> u128 {
    let rounds = (0..ROUNDS).map(|_| {
        let batch = batches(REQUESTS);
        let start = Instant::now();
        batch();
        start.elapsed()
    });
    rounds.min().unwrap_or_default().as_nanos() / REQUESTS as u128
}
