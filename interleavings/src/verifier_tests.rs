//! Once the key ring was swapped, no token of a key that is gone is good, whoever verified it when; and no token is ever
//! taken for another.

use std::sync::Arc;

use loom::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};
use tower_refresh_core::Timestamp;

use crate::{access_token::verifier::TokenVerifier, model::explore, sync::WAYS};

const NOW: Timestamp = Timestamp::from_secs(1000);
const UNTIL: Timestamp = Timestamp::from_secs(2000);

/// Keys by their numbers.
type Keys = Vec<u8>;
type Tokens = TokenVerifier<Keys, u8>;

/// A ring of key 1, with a cache of one set: where a token goes must not hang on the cache's random hash.
fn ring() -> Arc<Tokens> {
    Arc::new(Tokens::new(vec![1], WAYS))
}

/// A token is its key's number and what it says, and as long as the cache wants one to be.
fn token(key: u8, said: u8) -> [u8; 16] {
    let mut token = [0; 16];
    (token[0], token[15]) = (key, said);
    token
}

/// As a request does it: from the cache, else by the keys.
fn good(ring: &Tokens, token: [u8; 16]) -> Option<u8> {
    ring.cached(&token).or_else(|| {
        ring.verify(
            &token,
            NOW,
            |keys| {
                if keys.contains(&token[0]) { Ok((token[15], UNTIL)) } else { Err(()) }
            },
        )
        .ok()
    })
}

fn swapped(requests: usize) {
    let ring = ring();
    let acknowledged = Arc::new(AtomicBool::new(false));
    let (swapper, told) = (ring.clone(), acknowledged.clone());
    let mut threads = vec![thread::spawn(move || {
        swapper.replace_keys(vec![2]);
        told.store(true, Ordering::Release);
    })];
    threads.extend((0..requests).map(|_| {
        let ring = ring.clone();
        thread::spawn(move || assert!(good(&ring, token(1, 7)).is_none_or(|said| said == 7)))
    }));
    if acknowledged.load(Ordering::Acquire) {
        assert_eq!(good(&ring, token(1, 7)), None, "its key is gone, and it is good");
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(good(&ring, token(1, 7)), None);
    assert_eq!(good(&ring, token(2, 8)), Some(8));
}

#[test]
fn a_token_of_a_key_that_is_gone_is_good_for_nobody_who_hears_of_the_swap() {
    explore(None, || swapped(1));
}

#[test]
#[ignore = "deep: some minutes"]
fn with_two_requests_at_once_too() {
    explore(2, || swapped(2));
}

#[test]
fn two_swaps_leave_the_keys_of_one_and_no_token_of_the_first() {
    explore(None, || {
        let ring = ring();
        assert_eq!(good(&ring, token(1, 7)), Some(7));
        assert_eq!(ring.cached(&token(1, 7)), Some(7), "it is in the cache");
        let threads = [2, 3].map(|key| {
            let ring = ring.clone();
            thread::spawn(move || ring.replace_keys(vec![key]))
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(good(&ring, token(1, 7)), None);
        let left = [token(2, 8), token(3, 9)].map(|token| good(&ring, token));
        assert!(left == [Some(8), None] || left == [None, Some(9)], "{left:?}");
    });
}

#[test]
fn tokens_that_are_kept_at_once_are_not_taken_for_each_other() {
    explore(3, || {
        let ring = ring();
        let threads = [7, 8].map(|said| {
            let ring = ring.clone();
            thread::spawn(move || assert_eq!(good(&ring, token(1, said)), Some(said)))
        });
        for said in [7, 8] {
            assert!(ring.cached(&token(1, said)).is_none_or(|found| found == said));
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        for said in [7, 8] {
            assert_eq!(good(&ring, token(1, said)), Some(said));
        }
    });
}
