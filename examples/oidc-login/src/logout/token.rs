//! Logout tokens (Back-Channel Logout 1.0 §2.4 and §2.6). `openidconnect` has none, but its keys verify the signature.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use openidconnect::{
    JsonWebKey,
    core::{CoreJsonWebKeySet, CoreJwsSigningAlgorithm},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::{Map, Value};
use tower_refresh::Timestamp;

use crate::{logins::RETENTION, provider::ALGORITHMS, settings::ProviderSettings};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// How far the provider's clock may be ahead.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);
/// How old a token may be, whatever its `exp`: a replay is recognised for as long as it is accepted.
const OLDEST: Duration = Duration::from_secs(10 * 60);

const _: () = assert!(OLDEST.as_secs() + CLOCKS_DIFFER.as_secs() < RETENTION.as_secs());

#[derive(Debug)]
pub(super) struct LogoutToken {
    pub(super) jti: String,
    pub(super) sub: Option<String>,
    pub(super) sid: Option<String>,
    pub(super) issued_at: Timestamp,
}

#[derive(Debug)]
pub(super) enum TokenError {
    UnknownKey,
    Invalid(&'static str),
}

#[derive(Deserialize)]
struct Header {
    alg: CoreJwsSigningAlgorithm,
    kid: Option<String>,
    typ: Option<String>,
    #[serde(default, deserialize_with = "is_present")]
    crit: bool,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    iat: u64,
    exp: u64,
    jti: String,
    events: Map<String, Value>,
    sub: Option<String>,
    sid: Option<String>,
    #[serde(default, deserialize_with = "is_present")]
    nonce: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

pub(super) fn verify(
    token: &str,
    provider: &ProviderSettings,
    keys: &CoreJsonWebKeySet,
    now: Timestamp,
) -> Result<LogoutToken, TokenError> {
    let claims = verified_claims(token, keys)?;
    let invalid = |reason| Err(TokenError::Invalid(reason));
    let is_for_us = match &claims.aud {
        Audience::One(audience) => audience == provider.client_id.as_str(),
        Audience::Several(audiences) => {
            audiences.iter().any(|audience| audience == provider.client_id.as_str())
        }
    };
    if claims.iss != provider.issuer.as_str() {
        return invalid("another issuer");
    }
    if !is_for_us {
        return invalid("another audience");
    }
    let (issued_at, expires_at) = (Timestamp::from_secs(claims.iat), Timestamp::from_secs(claims.exp));
    if expires_at <= now || issued_at.saturating_add(OLDEST) <= now {
        return invalid("expired");
    }
    if issued_at > now.saturating_add(CLOCKS_DIFFER) {
        return invalid("issued in the future");
    }
    if !claims.events.get(EVENT).is_some_and(Value::is_object) {
        return invalid("no logout event");
    }
    // Else an ID token could be used as one.
    if claims.nonce {
        return invalid("nonce is present");
    }
    if claims.jti.is_empty() || claims.sid.as_deref() == Some("") {
        return invalid("an empty jti or sid");
    }
    Ok(LogoutToken { jti: claims.jti, sub: claims.sub, sid: claims.sid, issued_at })
}

fn verified_claims(token: &str, keys: &CoreJsonWebKeySet) -> Result<Claims, TokenError> {
    let malformed = || TokenError::Invalid("not a logout token");
    let (message, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
    let (header, claims) = message.split_once('.').ok_or_else(malformed)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?;
    let header: Header = part(header).ok_or_else(malformed)?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(TokenError::Invalid("an algorithm that is not accepted"));
    }
    if header.crit || !header.typ.as_deref().is_none_or(is_logout_token) {
        return Err(TokenError::Invalid("another type of token"));
    }
    let is_named = |key: &&_| {
        let id = JsonWebKey::key_id(*key).map(|id| id.as_str());
        header.kid.is_none() || header.kid.as_deref() == id
    };
    let mut candidates = keys.keys().iter().filter(is_named).peekable();
    if candidates.peek().is_none() {
        return Err(TokenError::UnknownKey);
    }
    // The key decides whether it may be used with this algorithm.
    if !candidates.any(|key| key.verify_signature(&header.alg, message.as_bytes(), &signature).is_ok()) {
        return Err(TokenError::Invalid("the signature is invalid"));
    }
    part(claims).ok_or_else(malformed)
}

/// A part that contains another point is not Base64.
fn part<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// A media type (RFC 7515 §4.1.9).
fn is_logout_token(typ: &str) -> bool {
    typ.eq_ignore_ascii_case("logout+jwt") || typ.eq_ignore_ascii_case("application/logout+jwt")
}

/// Also if it is null.
fn is_present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}
