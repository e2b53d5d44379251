//! Whether a token says of itself that it has expired, before anything of it is believed.
//!
//! An access cookie that has expired counts as none, whoever made it; so its signature need not be checked to pass it over,
//! and that check is the dearest part of a refresh. No other question may be asked here.

use memchr::memchr;
use serde::Deserialize;
use tower_refresh_core::Timestamp;

use super::{MAX_TOKEN_LEN, decode, values::NumericDate};

pub(crate) fn says_expired(token: &[u8], now: Timestamp) -> bool {
    expiry(token).is_some_and(|expiry| now >= expiry)
}

fn expiry(token: &[u8]) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Glance {
        exp: NumericDate,
    }
    if token.len() > MAX_TOKEN_LEN {
        return None;
    }
    let (_, rest) = token.split_at_checked(memchr(b'.', token)? + 1)?;
    let payload = decode(rest.get(..memchr(b'.', rest).unwrap_or(rest.len()))?).ok()?;
    let Glance { exp: NumericDate(expiry) } = serde_json::from_slice(&payload).ok()?;
    Some(expiry)
}
