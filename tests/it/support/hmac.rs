//! HMAC-SHA256, for tests that make tokens of their own.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

pub fn hmac_sha256(secret: &[u8], message: &[u8]) -> Vec<u8> {
    let key = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    key.chain_update(message).finalize().into_bytes().to_vec()
}
