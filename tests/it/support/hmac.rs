//! HMAC-SHA256, for tests that make tokens of their own.

#[cfg(feature = "aws_lc_rs")]
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
#[cfg(all(feature = "rust_crypto", not(feature = "aws_lc_rs")))]
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, EncodingKey};

pub fn hmac_sha256(secret: &[u8], message: &[u8]) -> Vec<u8> {
    let signer =
        (DEFAULT_PROVIDER.signer_factory)(&Algorithm::HS256, &EncodingKey::from_secret(secret)).unwrap();
    signer.try_sign(message).unwrap()
}
