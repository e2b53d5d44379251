//! Whether a token claims to have expired, read without verification.
//!
//! An access cookie that has expired counts as absent, even if it is forged. Its signature need not be checked, and that check is
//! the costliest part of a refresh. Read nothing but `exp` here: the token is unverified.

use memchr::memchr;
use serde::Deserialize;
use tower_refresh_core::Timestamp;

use super::{MAX_TOKEN_LEN, decode, values::NumericDate};

pub(crate) fn is_expired_unverified(token: &[u8], now: Timestamp) -> bool {
    expiry(token).is_some_and(|expiry| now >= expiry)
}

fn expiry(token: &[u8]) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Payload {
        exp: NumericDate,
    }
    if token.len() > MAX_TOKEN_LEN {
        return None;
    }
    let (_, rest) = token.split_at_checked(memchr(b'.', token)? + 1)?;
    let payload = decode(rest.get(..memchr(b'.', rest).unwrap_or(rest.len()))?).ok()?;
    let Payload { exp: NumericDate(expiry) } = serde_json::from_slice(&payload).ok()?;
    Some(expiry)
}
