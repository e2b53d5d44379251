//! HMAC-SHA256, for tests that make tokens of their own.

use jsonwebtoken::{Algorithm, EncodingKey, crypto::rust_crypto::DEFAULT_PROVIDER};

pub fn hmac_sha256(secret: &[u8], message: &[u8]) -> Vec<u8> {
    let key = EncodingKey::from_secret(secret).unwrap();
    let signer = (DEFAULT_PROVIDER.signer_factory)(&Algorithm::HS256, &key).unwrap();
    signer.try_sign(message).unwrap()
}
