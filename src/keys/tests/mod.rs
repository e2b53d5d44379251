//! Tests of keys and key rings, with the PEM files in `tests/keys`.

use super::*;

#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
mod jwks;
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
mod reading;
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
mod rings;
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
mod signatures;

macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!("../../../tests/keys/", $name, ".pem"))
    };
}
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
use pem;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[test]
#[cfg(not(any(feature = "aws_lc_rs", feature = "rust_crypto")))]
fn without_a_backend_there_are_no_keys() {
    let expected = Some(KeyError::NoBackend);
    assert_eq!(KeyRing::ephemeral().err(), expected);
    assert_eq!(KeyRing::hs256(SECRET).err(), expected);
    assert_eq!(VerifyingKey::from_secret(Algorithm::Hs256, SECRET).err(), expected);
    for (algorithm, private, public) in [
        (Algorithm::EdDsa, pem!("ed25519"), pem!("ed25519.pub")),
        (Algorithm::Es256, pem!("es256"), pem!("es256.pub")),
        (Algorithm::Rs256, pem!("rsa"), pem!("rsa.pub")),
    ] {
        assert_eq!(SigningKey::from_pem(algorithm, private).err(), expected, "{algorithm}");
        assert_eq!(VerifyingKey::from_pem(algorithm, public).err(), expected, "{algorithm}");
    }
}
