//! Which tokens the cache keeps. A counter tells cached tokens from verified ones.

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tower_refresh::{
    KeyRing,
    keys::{Algorithm, SigningKey},
};

use crate::support::{
    Browser, World,
    mint::forged_access,
    probe::{ACCESS_LIFETIME, with_bearer},
    world::SECRET,
};

/// A server with a cache of this capacity, and its counters.
struct Counted {
    world: World,
    recorder: DebuggingRecorder,
    snapshotter: Snapshotter,
}

impl Counted {
    fn new(places: usize) -> Self {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        Self { world: World::with(|builder| builder.token_cache_capacity(places)), recorder, snapshotter }
    }

    async fn new_token(&self) -> String {
        Browser::logged_in(&self.world, "alice").await.access().unwrap().to_owned()
    }

    async fn new_tokens(&self, count: usize) -> Vec<String> {
        let mut tokens = Vec::with_capacity(count);
        for _ in 0..count {
            tokens.push(self.new_token().await);
        }
        tokens
    }

    /// Presents each token once, and returns how many came from the cache.
    async fn present(&self, tokens: &[String]) -> u64 {
        let _guard = metrics::set_default_local_recorder(&self.recorder);
        for token in tokens {
            self.world.send(with_bearer("/me", token)).await;
        }
        let counts = self.snapshotter.snapshot().into_vec().into_iter();
        let cached = counts.filter_map(|(key, _, _, value)| match value {
            DebugValue::Counter(count) if key.key().labels().any(|label| label.value() == "cached") => {
                Some(count)
            }
            _ => None,
        });
        cached.sum()
    }
}

#[tokio::test]
async fn tokens_are_found_while_they_fill_a_quarter_of_the_capacity() {
    let server = Counted::new(512);
    let tokens = server.new_tokens(128).await;
    assert_eq!(server.present(&tokens).await, 0, "they were never presented before");
    // Their places are random. 17 of them fall into one set of 16 in about one of 50 000 runs.
    assert!(server.present(&tokens).await >= 126);
}

#[tokio::test]
async fn a_cache_without_capacity_finds_nothing() {
    let server = Counted::new(0);
    let tokens = server.new_tokens(2).await;
    for _ in 0..3 {
        assert_eq!(server.present(&tokens).await, 0);
    }
}

#[tokio::test]
async fn no_more_tokens_are_kept_than_the_capacity() {
    let server = Counted::new(16);
    let tokens = server.new_tokens(64).await;
    server.present(&tokens).await;
    // The last ones are looked up first, so that the look-up evicts none of them.
    let backwards: Vec<_> = tokens.into_iter().rev().collect();
    let found = server.present(&backwards).await;
    assert!((1..=16).contains(&found), "{found}");
}

#[tokio::test]
async fn forged_tokens_evict_nothing() {
    let server = Counted::new(16);
    let tokens = server.new_tokens(16).await;
    server.present(&tokens).await;
    let forged: Vec<_> = server.new_tokens(64).await.iter().map(|token| forged_access(token)).collect();
    assert_eq!(server.present(&forged).await, 0);
    assert_eq!(server.present(&tokens).await, 16);
}

#[tokio::test]
async fn tokens_in_use_outlast_those_that_are_presented_once() {
    let server = Counted::new(16);
    let in_use = server.new_tokens(8).await;
    server.present(&in_use).await;
    for round in 0..50 {
        assert_eq!(server.present(&in_use).await, 8, "round {round}");
        let once = server.new_tokens(6).await;
        assert_eq!(server.present(&once).await, 0);
    }
}

#[tokio::test]
async fn a_token_in_use_evicts_one_that_is_no_longer_used() {
    let server = Counted::new(16);
    let former = server.new_tokens(16).await;
    for _ in 0..3 {
        server.present(&former).await;
    }
    let newer = server.new_tokens(16).await;
    server.present(&newer).await;
    assert_eq!(server.present(&newer).await, 16);
}

#[tokio::test]
async fn an_expired_token_is_evicted_before_any_valid_one() {
    let server = Counted::new(16);
    let expiring = server.new_tokens(4).await;
    server.present(&expiring).await;
    server.world.clock.advance(ACCESS_LIFETIME / 2);
    let rest = server.new_tokens(12).await;
    server.present(&rest).await;
    server.present(&expiring).await;
    server.world.clock.advance(ACCESS_LIFETIME / 2);
    let newer = server.new_tokens(4).await;
    server.present(&newer).await;
    assert_eq!(server.present(&rest).await, 12);
    assert_eq!(server.present(&newer).await, 4);
}

#[tokio::test]
async fn after_a_key_rotation_a_token_is_verified_once_and_then_found() {
    let server = Counted::new(16);
    let tokens = server.new_tokens(3).await;
    server.present(&tokens).await;
    let old = SigningKey::from_secret(Algorithm::Hs256, SECRET).unwrap().verifying_key();
    server.world.auth.rotate_keys(KeyRing::hs256([7; 32]).unwrap().accept(old)).unwrap();
    assert_eq!(server.present(&tokens).await, 0);
    assert_eq!(server.present(&tokens).await, 3);
}
