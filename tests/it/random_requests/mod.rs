//! Random requests: a few thousand of each kind, and the seeds of the fuzzers.

mod checks;

use std::{
    fs,
    path::{Path, PathBuf},
};

use proptest::prelude::*;

/// Pieces that random bytes would hardly ever contain; 1 to 8 stand for tokens.
const PIECES: [&[u8]; 16] = [
    b"__Host-access=",
    b"__Host-refresh=",
    b"\x01",
    b"\x02",
    b"\x03",
    b"\x04",
    b"\x05",
    b"\x06",
    b"\x00",
    b"; ",
    b";",
    b" ",
    b"Bearer ",
    b"bearer\t",
    b"=",
    b".",
];

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => prop::sample::select(PIECES.as_slice()).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ];
    prop::collection::vec(piece, 0..most).prop_map(|pieces| pieces.concat())
}

const AROUND: [&[u8]; 8] = [b"\"", b" ", b";a=b", b",", b".", b"\\", b"\0", b"\x0e"];

/// Values of both headers: mostly one text, with something around it.
fn device() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => (1_u8..8).prop_map(|token| vec![token]),
        4 => prop::sample::select(AROUND.as_slice()).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 1..3),
    ];
    let around = prop::collection::vec(piece.clone(), 0..6).prop_map(|pieces| pieces.concat());
    let quoted = (1_u8..8, any::<bool>()).prop_map(|(token, is_quoted)| match is_quoted {
        true => vec![b'"', token, b'"'],
        false => vec![token],
    });
    let header = prop_oneof![quoted, around];
    (header.clone(), header).prop_map(|(response, identifier)| [response, vec![0x0e], identifier].concat())
}

fn noise(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..most)
}

/// The header and the claims of a valid token, with some bytes changed.
fn jws() -> impl Strategy<Value = Vec<u8>> {
    let good = fs::read(seeds("access_token").join("good")).unwrap();
    let change = (any::<prop::sample::Index>(), prop_oneof![any::<u8>(), Just(b'"'), Just(b'0'), Just(b',')]);
    prop::collection::vec(change, 0..4).prop_map(move |changes| {
        let mut bytes = good.clone();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes
    })
}

proptest! {
    // An input that fails becomes a seed.
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cookie_headers_of_any_bytes_authenticate_the_owner_of_their_cookies(data in bytes(24)) {
        checks::cookies::check(&data);
    }

    #[test]
    fn authorization_headers_of_any_bytes_authenticate_the_owner_of_a_valid_token(data in bytes(8)) {
        checks::authorization::check(&data);
    }

    #[test]
    fn refresh_tokens_of_any_fields_are_as_valid_as_their_mac_and_their_row(data in noise(120)) {
        checks::refresh_token::check(&data);
    }

    #[test]
    fn access_tokens_of_any_bytes_are_valid_only_if_every_part_is_valid(data in prop_oneof![jws(), bytes(16)]) {
        checks::access_token::check(&data);
    }

    #[test]
    fn headers_of_a_device_of_any_bytes_mint_nothing_without_a_good_proof(first in any::<u8>(), data in device()) {
        checks::device::check(&[&[first], data.as_slice()].concat());
    }

    #[test]
    fn every_history_keeps_the_invariants(data in noise(600)) {
        checks::history::check(&data);
    }
}

#[test]
fn the_seeds_of_the_fuzzers_find_nothing() {
    check_seeds("cookies", checks::cookies::check);
    check_seeds("authorization", checks::authorization::check);
    check_seeds("refresh_token", checks::refresh_token::check);
    check_seeds("access_token", checks::access_token::check);
    check_seeds("device", checks::device::check);
    check_seeds("history", checks::history::check);
}

fn check_seeds(target: &str, check: fn(&[u8])) {
    let seeds: Vec<_> = fs::read_dir(seeds(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(seeds.len() >= 10, "{target}");
    for seed in seeds {
        check(&fs::read(seed).unwrap());
    }
}

fn seeds(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target)
}
