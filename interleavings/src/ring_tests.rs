//! Once the key ring was swapped, no token of a key that is gone is good, whoever verified it when; and no token is ever
//! taken for another.

use std::sync::Arc;

use loom::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};
use tower_refresh_core::Timestamp;

use crate::{model::explore, verify::ring::Ring};

const NOW: Timestamp = Timestamp::from_secs(1000);
const UNTIL: Timestamp = Timestamp::from_secs(2000);

/// Keys by their numbers. A token is its key's number and what it says.
type Keys = Vec<u8>;
type Tokens = Ring<Keys, u8>;

/// As a request does it: from the cache, else by the keys.
fn good(ring: &Tokens, token: [u8; 2]) -> Option<u8> {
    ring.known(&token).or_else(|| {
        ring.verify(
            &token,
            NOW,
            |keys| {
                if keys.contains(&token[0]) { Ok((token[1], UNTIL)) } else { Err(()) }
            },
        )
        .ok()
    })
}

fn swapped(requests: usize) {
    let ring = Arc::new(Tokens::new(vec![1], 8));
    let acknowledged = Arc::new(AtomicBool::new(false));
    let (swapper, told) = (ring.clone(), acknowledged.clone());
    let mut threads = vec![thread::spawn(move || {
        swapper.swap(vec![2]);
        told.store(true, Ordering::Release);
    })];
    threads.extend((0..requests).map(|_| {
        let ring = ring.clone();
        thread::spawn(move || assert!(good(&ring, [1, 7]).is_none_or(|said| said == 7)))
    }));
    if acknowledged.load(Ordering::Acquire) {
        assert_eq!(good(&ring, [1, 7]), None, "its key is gone, and it is good");
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(good(&ring, [1, 7]), None);
    assert_eq!(good(&ring, [2, 8]), Some(8));
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
        let ring = Arc::new(Tokens::new(vec![1], 8));
        assert_eq!(good(&ring, [1, 7]), Some(7));
        let threads = [2, 3].map(|key| {
            let ring = ring.clone();
            thread::spawn(move || ring.swap(vec![key]))
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(good(&ring, [1, 7]), None);
        let left = [[2, 8], [3, 9]].map(|token| good(&ring, token));
        assert!(left == [Some(8), None] || left == [None, Some(9)], "{left:?}");
    });
}

#[test]
fn tokens_that_are_kept_at_once_are_not_taken_for_each_other() {
    explore(3, || {
        let ring = Arc::new(Tokens::new(vec![1], 8));
        let threads = [[1, 7], [1, 8]].map(|token| {
            let ring = ring.clone();
            thread::spawn(move || assert_eq!(good(&ring, token), Some(token[1])))
        });
        for said in [7, 8] {
            assert!(ring.known(&[1, said]).is_none_or(|found| found == said));
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        for said in [7, 8] {
            assert_eq!(good(&ring, [1, said]), Some(said));
        }
    });
}
