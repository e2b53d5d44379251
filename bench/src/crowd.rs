//! A million valid tokens, with requests in an order that the processor cannot predict.

use std::{cell::Cell, rc::Rc, time::Duration};

use tower_refresh::RotationPolicy;

use crate::{
    algorithm::Algorithm,
    ours::Ours,
    requests::{Batches, requests, with_bearer},
};

/// The concurrent users of a large service.
pub const TOKENS: usize = 1_000_000;

/// Cache hits for all tokens in turn. Each was verified before, and is in the cache.
pub fn hits(tokens: usize) -> Batches {
    // The step is coprime to the number of tokens, so that it visits all of them.
    hits_with_step(tokens, 611_953)
}

/// The same number of cached tokens, with requests for a single one: the cost of a hit without cache misses of the processor.
pub fn hits_of_one(tokens: usize) -> Batches {
    hits_with_step(tokens, 0)
}

fn hits_with_step(tokens: usize, measured_step: usize) -> Batches {
    // The cache is half full, as its documentation recommends. The lifetime is long, because the logins take long.
    let world = Ours::with(Algorithm::Hs256, |builder| {
        let mut policy = RotationPolicy::balanced();
        policy.access_lifetime = Duration::from_secs(12 * 60 * 60);
        builder
            .token_cache_capacity(2 * tokens)
            .policy(policy)
            .dead_session_retention(Duration::from_secs(24 * 60 * 60))
    });
    let tokens: Rc<[String]> = (0..tokens).map(|_| world.login().access).collect();
    let router = world.with_layer_on_routes();
    let step = Rc::new(Cell::new(1));
    let mut place = 0;
    let (all, current_step) = (tokens.clone(), step.clone());
    let mut batches = requests(world.runtime.clone(), router, move || {
        place = (place + current_step.get()) % all.len();
        with_bearer(&all[place])
    });
    for some in tokens.chunks(1000) {
        batches(some.len())();
    }
    step.set(measured_step);
    batches
}
