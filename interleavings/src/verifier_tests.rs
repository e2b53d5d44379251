//! After the keys were replaced, no token of a removed key is valid, no matter when it was verified; and no token is ever
//! mistaken for another.

use std::sync::Arc;

use loom::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};
use tower_refresh_core::Timestamp;

use crate::{access_token::verifier::TokenVerifier, model::explore, sync::WAYS};

const NOW: Timestamp = Timestamp::from_secs(1000);
const UNTIL: Timestamp = Timestamp::from_secs(2000);

/// Keys are numbers.
type Keys = Vec<u8>;
type Tokens = TokenVerifier<Keys, u8>;

/// A verifier with key 1 and a cache of one set, so that the place of a token does not depend on the cache's random hash.
fn verifier() -> Arc<Tokens> {
    Arc::new(Tokens::new(vec![1], WAYS))
}

/// A token consists of its key's number and its content, and is long enough for the cache.
fn token(key: u8, content: u8) -> [u8; 16] {
    let mut token = [0; 16];
    (token[0], token[15]) = (key, content);
    token
}

/// Like a request: from the cache, else with the keys.
fn verify(verifier: &Tokens, token: [u8; 16]) -> Option<u8> {
    verifier.cached(&token).or_else(|| {
        verifier
            .verify(
                &token,
                NOW,
                |keys| {
                    if keys.contains(&token[0]) { Ok((token[15], UNTIL)) } else { Err(()) }
                },
            )
            .ok()
    })
}

fn check_replaced(requests: usize) {
    let verifier = verifier();
    let acknowledged = Arc::new(AtomicBool::new(false));
    let (replacer, flag) = (verifier.clone(), acknowledged.clone());
    let mut threads = vec![thread::spawn(move || {
        replacer.replace_keys(vec![2]);
        flag.store(true, Ordering::Release);
    })];
    threads.extend((0..requests).map(|_| {
        let verifier = verifier.clone();
        thread::spawn(move || assert!(verify(&verifier, token(1, 7)).is_none_or(|content| content == 7)))
    }));
    if acknowledged.load(Ordering::Acquire) {
        assert_eq!(verify(&verifier, token(1, 7)), None, "its key is removed, and it is valid");
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(verify(&verifier, token(1, 7)), None);
    assert_eq!(verify(&verifier, token(2, 8)), Some(8));
}

#[test]
fn a_token_of_a_removed_key_is_invalid_after_the_acknowledgement() {
    explore(None, || check_replaced(1));
}

#[test]
#[ignore = "deep: takes some minutes"]
fn a_token_of_a_removed_key_is_invalid_with_two_concurrent_requests() {
    explore(2, || check_replaced(2));
}

#[test]
fn after_two_replacements_only_tokens_of_one_replacement_are_valid() {
    explore(None, || {
        let verifier = verifier();
        assert_eq!(verify(&verifier, token(1, 7)), Some(7));
        assert_eq!(verifier.cached(&token(1, 7)), Some(7), "it is in the cache");
        let threads = [2, 3].map(|key| {
            let verifier = verifier.clone();
            thread::spawn(move || verifier.replace_keys(vec![key]))
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(verify(&verifier, token(1, 7)), None);
        let left = [token(2, 8), token(3, 9)].map(|token| verify(&verifier, token));
        assert!(left == [Some(8), None] || left == [None, Some(9)], "{left:?}");
    });
}

#[test]
fn tokens_that_are_cached_concurrently_are_not_mistaken_for_each_other() {
    explore(3, || {
        let verifier = verifier();
        let threads = [7, 8].map(|content| {
            let verifier = verifier.clone();
            thread::spawn(move || assert_eq!(verify(&verifier, token(1, content)), Some(content)))
        });
        for content in [7, 8] {
            assert!(verifier.cached(&token(1, content)).is_none_or(|found| found == content));
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        for content in [7, 8] {
            assert_eq!(verify(&verifier, token(1, content)), Some(content));
        }
    });
}
