//! A million live tokens, and requests in an order that no processor guesses.

use std::{rc::Rc, time::Duration};

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
    // Half of the cache in use, as its documentation advises. The logins alone take longer than a token may live.
    let world = Ours::with(Algorithm::Hs256, |builder| {
        let mut policy = RotationPolicy::balanced();
        policy.access_lifetime = Duration::from_secs(12 * 60 * 60);
        builder.token_cache(2 * tokens).policy(policy).keep_dead(Duration::from_secs(24 * 60 * 60))
    });
    let tokens: Rc<[String]> = (0..tokens).map(|_| world.login().access).collect();
    let router = world.by_router_layer();
    let mut place = 0;
    let all = tokens.clone();
    let mut batches = requests(world.runtime.clone(), router, move || {
        // A step that is prime to the number comes by every token.
        place = (place + 611_953) % all.len();
        with_bearer(&all[place])
    });
    for some in tokens.chunks(1000) {
        batches(some.len())();
    }
    batches
}
