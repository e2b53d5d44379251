//! The cost of jsonwebtoken: alone, and in an extractor.

use aws_lc_rs::{digest, hmac};
use jsonwebtoken::crypto;

use super::Scenario;
use crate::{
    algorithm::Algorithm::{self, EdDsa, Es256, Hs256, Rs256},
    jwt::Decoder,
    ours::{ISSUER, Ours},
    requests::{Batches, calls, requests, with_bearer},
};

/// `tower-refresh/1`, the length of the issuer, the issuer, and the token but for its MAC.
const REFRESH_TOKEN_MAC_INPUT: usize = 15 + 2 + ISSUER.len() + 27;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("raw.decode.hs256", || decode(Hs256)),
    Scenario::new("raw.decode.eddsa", || decode(EdDsa)),
    Scenario::new("raw.decode.es256", || decode(Es256)),
    Scenario::new("raw.decode.rs256", || decode(Rs256)),
    Scenario::new("raw.verify.hs256", || verify(Hs256)),
    Scenario::new("raw.verify.eddsa", || verify(EdDsa)),
    Scenario::new("raw.verify.es256", || verify(Es256)),
    Scenario::new("raw.verify.rs256", || verify(Rs256)),
    Scenario::new("raw.sign.hs256", || sign(Hs256)),
    Scenario::new("raw.sign.eddsa", || sign(EdDsa)),
    Scenario::new("raw.refresh.hs256", refresh),
    Scenario::new("raw.extractor.hs256", || extractor(Hs256)),
    Scenario::new("raw.extractor.eddsa", || extractor(EdDsa)),
    Scenario::new("raw.extractor.es256", || extractor(Es256)),
    Scenario::new("raw.extractor.rs256", || extractor(Rs256)),
];

fn decode(algorithm: Algorithm) -> Batches {
    let (decoder, token) = (Decoder::new(algorithm), token(algorithm));
    calls(move || decoder.decode(&token).unwrap())
}

fn verify(algorithm: Algorithm) -> Batches {
    let (key, token) = (algorithm.decoding_key(), token(algorithm));
    calls(move || {
        let (message, signature) = token.rsplit_once('.').unwrap();
        let is_valid = crypto::verify(signature, message.as_bytes(), &key, algorithm.jsonwebtoken());
        assert!(is_valid.unwrap());
    })
}

fn sign(algorithm: Algorithm) -> Batches {
    let (key, token) = (algorithm.encoding_key(), token(algorithm));
    calls(move || {
        let (message, _) = token.rsplit_once('.').unwrap();
        crypto::sign(message.as_bytes(), &key, algorithm.jsonwebtoken()).unwrap()
    })
}

/// The cryptography of a refresh with keys that are prepared: the MACs of two refresh tokens, the hash of a session id, and the MAC of an
/// access token.
fn refresh() -> Batches {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    let (access, refresh) = (token(Hs256), [7; REFRESH_TOKEN_MAC_INPUT]);
    calls(move || {
        let (message, _) = access.rsplit_once('.').unwrap();
        let macs = [&refresh, &refresh, message.as_bytes()].map(|input: &[u8]| hmac::sign(&key, input));
        (macs, digest::digest(&digest::SHA256, &[7; 16]))
    })
}

fn extractor(algorithm: Algorithm) -> Batches {
    let world = Ours::new(algorithm);
    let token = world.login().access;
    requests(world.runtime.clone(), Decoder::new(algorithm).router(), move || with_bearer(&token))
}

fn token(algorithm: Algorithm) -> String {
    Ours::new(algorithm).login().access
}
