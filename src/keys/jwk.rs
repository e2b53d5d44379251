//! Reads the public keys of other servers: JWKs (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{public::PublicKey, verifying::VerifyingKey};
use crate::crypto::Algorithm;

/// The members of private keys, and of symmetric ones (RFC 7518 §6.2.2, §6.3.2, §6.4, RFC 8037 §2).
const SECRET_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Reads one key of a set, for the first of these algorithms that it fits, unless it names its own.
pub(crate) fn verifying_key(jwk: &Value, algorithms: &[Algorithm]) -> Result<VerifyingKey, UnusableJwk> {
    let jwk = Jwk(jwk.as_object().ok_or(UnusableJwk::Malformed)?);
    if SECRET_MEMBERS.iter().any(|name| jwk.0.contains_key(*name)) {
        return Err(UnusableJwk::Secret);
    }
    if jwk.text("use")?.is_some_and(|purpose| purpose != "sig") || !jwk.may_verify()? {
        return Err(UnusableJwk::ForOtherUse);
    }
    let (kty, crv, alg) = (jwk.text("kty")?.unwrap_or_default(), jwk.text("crv")?, jwk.text("alg")?);
    let fits = |algorithm: &Algorithm| {
        let needed = match algorithm {
            Algorithm::EdDsa => ("OKP", Some("Ed25519")),
            Algorithm::Es256 => ("EC", Some("P-256")),
            Algorithm::Es384 => ("EC", Some("P-384")),
            Algorithm::Rs256 | Algorithm::Ps256 => ("RSA", crv),
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => return false,
        };
        (kty, crv) == needed && alg.is_none_or(|alg| algorithm.is_named(alg))
    };
    let algorithm = *algorithms.iter().find(|algorithm| fits(algorithm)).ok_or(UnusableJwk::Unsupported)?;
    let public = match algorithm {
        Algorithm::EdDsa => PublicKey::Ed25519 { x: jwk.bytes("x", 32)? },
        Algorithm::Es256 => PublicKey::Ec { curve: "P-256", x: jwk.bytes("x", 32)?, y: jwk.bytes("y", 32)? },
        Algorithm::Es384 => PublicKey::Ec { curve: "P-384", x: jwk.bytes("x", 48)?, y: jwk.bytes("y", 48)? },
        Algorithm::Rs256 | Algorithm::Ps256 => jwk.rsa()?,
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => return Err(UnusableJwk::Secret),
    };
    if public.is_weak() {
        return Err(UnusableJwk::Weak);
    }
    if public.is_too_long() {
        return Err(UnusableJwk::LongRsaKey);
    }
    let key = VerifyingKey::from_public(algorithm, public).map_err(|_| UnusableJwk::Malformed)?;
    match jwk.text("kid")? {
        Some(kid) if kid.is_empty() || kid.len() > VerifyingKey::LONGEST_KID => Err(UnusableJwk::Malformed),
        Some(kid) => Ok(key.with_kid(kid)),
        None => Ok(key),
    }
}

/// Why a key of a set is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnusableJwk {
    /// A member is missing or has another form, or there is no such key.
    Malformed,
    /// It is private or symmetric.
    Secret,
    /// It encrypts, or signs.
    ForOtherUse,
    /// Its type, curve or algorithm is not supported or not allowed.
    Unsupported,
    /// The RSA modulus has less than 2048 bits (RFC 7518 §3.3).
    ShortRsaKey,
    /// The RSA modulus has more than 8192 bits.
    LongRsaKey,
    /// Everybody can sign for it.
    Weak,
}

impl fmt::Display for UnusableJwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "it is malformed",
            Self::Secret => "it is private or symmetric",
            Self::ForOtherUse => "it is not for verifying signatures",
            Self::Unsupported => "its type or algorithm is not supported, or not allowed",
            Self::ShortRsaKey => "the RSA key has less than 2048 bits",
            Self::LongRsaKey => "the RSA key has more than 8192 bits",
            Self::Weak => "it is weak: everybody can sign for it",
        })
    }
}

/// The members of a key.
struct Jwk<'a>(&'a Map<String, Value>);

impl<'a> Jwk<'a> {
    fn text(&self, name: &str) -> Result<Option<&'a str>, UnusableJwk> {
        let text = |value: &'a Value| value.as_str().ok_or(UnusableJwk::Malformed);
        self.0.get(name).map(text).transpose()
    }

    /// Whether `key_ops` is missing or contains `verify` (RFC 7517 §4.3).
    fn may_verify(&self) -> Result<bool, UnusableJwk> {
        let Some(operations) = self.0.get("key_ops") else { return Ok(true) };
        let operations = operations.as_array().ok_or(UnusableJwk::Malformed)?;
        Ok(operations.iter().any(|operation| operation == "verify"))
    }

    fn number(&self, name: &str) -> Result<Vec<u8>, UnusableJwk> {
        let text = self.text(name)?.ok_or(UnusableJwk::Malformed)?;
        URL_SAFE_NO_PAD.decode(text).map_err(|_| UnusableJwk::Malformed)
    }

    /// A member of this length, leading zeros included (RFC 7518 §6.2.1.2).
    fn bytes(&self, name: &str, len: usize) -> Result<Vec<u8>, UnusableJwk> {
        self.number(name).ok().filter(|bytes| bytes.len() == len).ok_or(UnusableJwk::Malformed)
    }

    fn rsa(&self) -> Result<PublicKey, UnusableJwk> {
        let (n, e) = (self.number("n")?, self.number("e")?);
        PublicKey::rsa(&n, &e).map_err(|_| UnusableJwk::ShortRsaKey)
    }
}
