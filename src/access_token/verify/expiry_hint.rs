//! Whether a token claims to have expired, read without verification.
//!
//! An access cookie that has expired counts as absent, even if it is forged. Its signature need not be checked, and that check is
//! the costliest part of a refresh. Read nothing but `exp` here: the token is unverified.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use memchr::{memchr, memrchr};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use tower_refresh_core::Timestamp;

use super::{MAX_TOKEN_LEN, decode, values::NumericDate};

/// How much of a payload is decoded first, in whole groups of four characters. In our own tokens `exp` is one of the first members.
const START: usize = 192;

pub(crate) fn is_expired_unverified(token: &[u8], now: Timestamp) -> bool {
    expiry(token).is_some_and(|expiry| now >= expiry)
}

fn expiry(token: &[u8]) -> Option<Timestamp> {
    if token.len() > MAX_TOKEN_LEN {
        return None;
    }
    let (_, rest) = token.split_at_checked(memchr(b'.', token)? + 1)?;
    let payload = rest.get(..memchr(b'.', rest).unwrap_or(rest.len()))?;
    expiry_near_start(payload).or_else(|| read_expiry(&decode(payload).ok()?))
}

fn expiry_near_start(payload: &[u8]) -> Option<Timestamp> {
    let mut json = [0; START / 4 * 3];
    let len = URL_SAFE_NO_PAD.decode_slice(payload.get(..START)?, &mut json).ok()?;
    let json = json.get(..len)?;
    // To a comma, so that a number which ends there is whole.
    read_expiry(json.get(..=memrchr(b',', json)?)?)
}

/// The first `exp` of an object, whatever follows.
fn read_expiry(json: &[u8]) -> Option<Timestamp> {
    let mut expiry = None;
    let _ = serde_json::Deserializer::from_slice(json).deserialize_map(FindExpiry(&mut expiry));
    expiry
}

struct FindExpiry<'a>(&'a mut Option<Timestamp>);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Member {
    Exp,
    #[serde(other)]
    Other,
}

impl<'de> Visitor<'de> for FindExpiry<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(member) = map.next_key()? {
            match member {
                Member::Exp => {
                    *self.0 = Some(map.next_value::<NumericDate>()?.0);
                    return Ok(());
                }
                Member::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}
