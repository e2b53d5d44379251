//! Verification of access tokens (RFC 9068 §4, RFC 8725 §3).
//!
//! In this order; no step uses what an earlier step has not checked:
//!
//! 1. shape: at most [`MAX_TOKEN_LEN`] bytes, three segments, canonical base64url;
//! 2. header: `typ`, `kid` and `alg` match a key of the ring ([`header`]);
//! 3. signature, over the bytes as received;
//! 4. no duplicate member, at any depth ([`duplicates`]);
//! 5. the standard claims and the application's own type, in one pass ([`claims`]); with another issuer, no claim of another
//!    kind of token ([`other_token`]);
//! 6. the clock, last: only a token that is otherwise valid counts as expired, because an expired token may be refreshed.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use memchr::{memchr, memrchr};
use serde::de::DeserializeOwned;
use tower_refresh_core::{SessionHandle, Subject, Timestamp};

use super::{profile::Expected, reason::InvalidTokenReason};
use crate::{clock::MAX_CLOCK_SKEW, keys::KeySet};

mod claims;
mod custom;
mod duplicates;
mod expiry_hint;
mod header;
mod member_names;
mod members;
mod other_token;
mod standard_claim;
mod standard_claims;
#[cfg(test)]
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
mod tests;
mod values;

pub(super) use self::claims::{Unreadable, read_back};
pub(crate) use self::{duplicates::reject as reject_duplicates, expiry_hint::is_expired_unverified};

/// The longest token that is verified, in bytes. Servers reject headers of about this size, so no valid token is longer.
pub(crate) const MAX_TOKEN_LEN: usize = 8192;

/// The claims of a verified token.
#[derive(Clone, Debug)]
pub(crate) struct AccessToken<C> {
    pub(crate) subject: Subject,
    /// Zero if the issuer's tokens have no session id of ours.
    pub(crate) session: SessionHandle,
    pub(crate) has_session: bool,
    pub(crate) scope: String,
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) not_before: Option<Timestamp>,
    pub(crate) auth_time: Option<Timestamp>,
    pub(crate) epoch: u32,
    pub(crate) is_device_bound: bool,
    pub(crate) custom: C,
}

/// The result of a verification.
#[derive(Clone, Debug)]
pub(crate) enum Verdict<T> {
    Valid(T),
    /// The token is valid but for its age.
    Expired {
        session: SessionHandle,
    },
    Invalid(InvalidTokenReason),
}

/// Verifies a token.
pub(crate) fn verify<C: DeserializeOwned>(
    token: &[u8],
    keys: &KeySet,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Verdict<AccessToken<C>> {
    check(token, keys, expected, now).unwrap_or_else(Verdict::Invalid)
}

fn check<C: DeserializeOwned>(
    token: &[u8],
    keys: &KeySet,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<Verdict<AccessToken<C>>, InvalidTokenReason> {
    let payload = authentic_payload(token, keys, expected)?;
    let payload = str::from_utf8(&payload).map_err(|_| InvalidTokenReason::Malformed)?;
    let claims = claims::read(payload, expected, now)?;
    if !expected.profile.is_own {
        other_token::reject(payload)?;
    }
    let expires_at = claims.expires_at.saturating_add(expected.profile.leeway);
    let too_old = claims.issued_at.saturating_add(expected.access_lifetime);
    // Of a clock that was ahead, and may have been set back since.
    let is_from_future = claims.issued_at > now.saturating_add(MAX_CLOCK_SKEW);
    if now >= expires_at || now >= too_old || is_from_future {
        return Ok(Verdict::Expired { session: claims.session });
    }
    Ok(Verdict::Valid(claims))
}

/// The decoded payload, after the signature has been verified.
fn authentic_payload(
    token: &[u8],
    keys: &KeySet,
    expected: &Expected<'_>,
) -> Result<Vec<u8>, InvalidTokenReason> {
    if token.len() > MAX_TOKEN_LEN {
        return Err(InvalidTokenReason::TooLarge);
    }
    let (message, signature) = split_at_dot(token, memrchr(b'.', token))?;
    let (header, payload) = split_at_dot(message, memchr(b'.', message))?;
    if memchr(b'.', payload).is_some() {
        return Err(InvalidTokenReason::Malformed);
    }
    let key = header::key(header, keys, expected.profile)?;
    let mut decoded = Vec::with_capacity(payload.len().max(signature.len()));
    decode_into(signature, &mut decoded)?;
    if !key.accepts(message, &decoded) {
        return Err(InvalidTokenReason::BadSignature);
    }
    decode_into(payload, &mut decoded)?;
    Ok(decoded)
}

/// The parts before and after a dot, neither of which may be empty.
fn split_at_dot(text: &[u8], dot: Option<usize>) -> Result<(&[u8], &[u8]), InvalidTokenReason> {
    match dot.and_then(|dot| text.split_at_checked(dot)) {
        Some((before, [_, after @ ..])) if !before.is_empty() && !after.is_empty() => Ok((before, after)),
        _ => Err(InvalidTokenReason::Malformed),
    }
}

/// Decodes a segment. The engine rejects padding, spaces and trailing bits, so each content has exactly one encoding.
fn decode(segment: &[u8]) -> Result<Vec<u8>, InvalidTokenReason> {
    let mut decoded = Vec::new();
    decode_into(segment, &mut decoded)?;
    Ok(decoded)
}

/// The same, replacing the content of the buffer.
fn decode_into(segment: &[u8], buffer: &mut Vec<u8>) -> Result<(), InvalidTokenReason> {
    buffer.clear();
    URL_SAFE_NO_PAD.decode_vec(segment, buffer).map_err(|_| InvalidTokenReason::Malformed)
}
