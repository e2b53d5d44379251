//! A million live tokens, and requests in an order that no processor guesses.

use std::{cell::Cell, rc::Rc, time::Duration};

use tower_refresh::RotationPolicy;

use crate::{
    algorithm::Algorithm,
    ours::Ours,
    requests::{Batches, requests, with_bearer},
};

/// A large service's users at once.
pub const TOKENS: usize = 1_000_000;

/// Hits of tokens of which all are in use: each was verified, and is in the cache.
pub fn hits(tokens: usize) -> Batches {
    // A step that is prime to the number comes by every token.
    hits_by(tokens, 611_953)
}

/// The same crowd, in which one token alone goes on coming: what a hit costs there whichever token it is.
pub fn hits_of_one(tokens: usize) -> Batches {
    hits_by(tokens, 0)
}

fn hits_by(tokens: usize, then: usize) -> Batches {
    // Half of the cache in use, as its documentation advises. The logins alone take longer than a token may live.
    let world = Ours::with(Algorithm::Hs256, |builder| {
        let mut policy = RotationPolicy::balanced();
        policy.access_lifetime = Duration::from_secs(12 * 60 * 60);
        builder
            .token_cache_capacity(2 * tokens)
            .policy(policy)
            .dead_session_retention(Duration::from_secs(24 * 60 * 60))
    });
    let tokens: Rc<[String]> = (0..tokens).map(|_| world.login().access).collect();
    let router = world.by_router_layer();
    let step = Rc::new(Cell::new(1));
    let mut place = 0;
    let (all, by) = (tokens.clone(), step.clone());
    let mut batches = requests(world.runtime.clone(), router, move || {
        place = (place + by.get()) % all.len();
        with_bearer(&all[place])
    });
    for some in tokens.chunks(1000) {
        batches(some.len())();
    }
    step.set(then);
    batches
}
