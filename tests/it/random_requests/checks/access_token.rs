//! Access tokens of any shape, and of any header and claims with a valid signature: exactly the valid ones authenticate,
//! in the header, in the cookie and from the cache alike.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{
    Request, StatusCode,
    header::{AUTHORIZATION, COOKIE, HeaderName},
};
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use tower_refresh::Clock;

use super::{
    response,
    scene::{KID, Left, Scene, within},
    template,
};
use crate::support::{
    browser::ACCESS,
    hmac::hmac_sha256,
    request,
    world::{AUDIENCE, ISSUER, SECRET},
};

/// Longer tokens are not read.
const LONGEST: usize = 8192;
const LIFETIME_MILLIS: u64 = 600_000;
/// How far ahead the clock of the issuer may be.
const SKEW_MILLIS: u64 = 60_000;

/// After a first byte that is even, a JOSE header, a zero byte, and claims, to be signed; else the text of a token.
pub fn check(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    within(async |scene| {
        let (token, validity) = if first % 2 == 0 { signed(scene, rest) } else { text(scene, rest) };
        // Bytes that a header cannot contain, or not without its ends being trimmed.
        if token.iter().any(u8::is_ascii_control) || token.trim_ascii() != token {
            return Left::AsItWas;
        }
        let mut subject = None;
        // The second time, a valid token is in the cache.
        for round in 0..2 {
            let response = scene.world.send(with_token("/me", &AUTHORIZATION, "Bearer ", &token)).await;
            response::assert_consistent(&response);
            let found = (response.status() == StatusCode::OK).then(|| response.body().clone());
            match &validity {
                Validity::Valid(subject) => assert_eq!(found.as_deref(), Some(subject.as_bytes())),
                Validity::Invalid => assert_eq!(found, None),
                Validity::Unclear => {}
            }
            assert!(round == 0 || subject == found, "the cache has another result");
            subject = found;
        }
        // That would be several cookies.
        if !token.contains(&b';') {
            let cookie = format!("{ACCESS}=");
            let response = scene.world.send(with_token("/optional", &COOKIE, &cookie, &token)).await;
            response::assert_consistent(&response);
            assert_eq!(response.body(), subject.as_deref().unwrap_or(b"-"), "the cookie has another result");
        }
        assert_eq!(scene.world.store.take_calls(), []);
        Left::AsItWas
    });
}

fn with_token(path: &str, name: &HeaderName, before: &str, token: &[u8]) -> Request<()> {
    let mut request = request(path, &[]);
    template::add(request.headers_mut(), name, &[[before.as_bytes(), token].concat()]).unwrap();
    request
}

/// The validity of a token.
enum Validity {
    /// It is a valid token of this subject.
    Valid(String),
    Invalid,
    /// serde_json has no value for a lone surrogate and for a number beyond `f64`, even in members that are not read.
    Unclear,
}

fn text(scene: &Scene, template: &[u8]) -> (Vec<u8>, Validity) {
    let alice = &scene.alice;
    let segments: Vec<_> = alice.access.split('.').collect();
    let token = template::fill(template, &segments);
    let is_valid = token == alice.access.as_bytes();
    (token, if is_valid { Validity::Valid(alice.subject.to_owned()) } else { Validity::Invalid })
}

fn signed(scene: &Scene, data: &[u8]) -> (Vec<u8>, Validity) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let (header, claims) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(hmac_sha256(SECRET, message.as_bytes()));
    let token = format!("{message}.{signature}");
    let now = scene.world.clock.now().as_millis();
    let validity = match (object(header), object(claims)) {
        _ if token.len() > LONGEST => Validity::Invalid,
        (Ok(header), Ok(claims)) if is_valid_header(&header) => {
            subject(&claims, now).map_or(Validity::Invalid, Validity::Valid)
        }
        (Err(Validity::Unclear), _) | (_, Err(Validity::Unclear)) => Validity::Unclear,
        _ => Validity::Invalid,
    };
    (token.into_bytes(), validity)
}

fn is_valid_header(header: &Map<String, Value>) -> bool {
    let is = |name: &str, wanted: &str| header.get(name).is_some_and(|value| value == wanted);
    let typ = header.get("typ").and_then(Value::as_str).map(str::to_ascii_lowercase);
    is("alg", "HS256")
        && is("kid", KID)
        && typ.is_some_and(|typ| typ == "at+jwt" || typ == "application/at+jwt")
        && !header.contains_key("crit")
        && header.get("b64").is_none_or(|b64| *b64 == Value::Bool(true))
}

/// The subject of claims that are valid at `now`, in milliseconds.
fn subject(claims: &Map<String, Value>, now: u64) -> Option<String> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let filled = |name: &str| text(name).filter(|text| !text.is_empty());
    let audience = match claims.get("aud")? {
        Value::String(audience) => audience == AUDIENCE,
        Value::Array(list) => list.iter().all(Value::is_string) && list.iter().any(|one| one == AUDIENCE),
        _ => false,
    };
    let session = URL_SAFE_NO_PAD.decode(text("sid")?).is_ok_and(|bytes| bytes.len() == 16);
    let optional = claims.get("scope").is_none_or(Value::is_string);
    let is_epoch = |value: &Value| value.as_u64().is_some_and(|epoch| u32::try_from(epoch).is_ok());
    let is_date = |value: &Value| millis(value).is_some();
    let optional =
        optional && claims.get("epoch").is_none_or(is_epoch) && claims.get("auth_time").is_none_or(is_date);
    let (expires_at, issued_at) = (millis(claims.get("exp")?)?, millis(claims.get("iat")?)?);
    let not_before = claims.get("nbf").map_or(Some(0), millis)?;
    let is_fresh = now < issued_at.saturating_add(LIFETIME_MILLIS) && issued_at <= now + SKEW_MILLIS;
    let in_time = not_before <= now && now < expires_at && is_fresh;
    filled("jti")?;
    text("name")?;
    (text("iss")? == ISSUER && audience && session && optional && in_time)
        .then(|| filled("sub").map(str::to_owned))?
}

/// A numeric date, truncated to milliseconds.
fn millis(value: &Value) -> Option<u64> {
    if let Some(seconds) = value.as_u64() {
        return seconds.checked_mul(1000);
    }
    let millis = value.as_f64()? * 1000.0;
    (millis >= 0.0 && millis < 2.0_f64.powi(64)).then_some(millis as u64)
}

/// A JSON object that has each of its members, at every depth, once.
fn object(json: &[u8]) -> Result<Map<String, Value>, Validity> {
    let text = str::from_utf8(json).map_err(|_| Validity::Invalid)?;
    let value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(_) if serde_json::from_str::<IgnoredAny>(text).is_ok() => return Err(Validity::Unclear),
        Err(_) => return Err(Validity::Invalid),
    };
    match value {
        Value::Object(object) if members(&Value::Object(object.clone())) == colons(json) => Ok(object),
        _ => Err(Validity::Invalid),
    }
}

fn members(value: &Value) -> usize {
    match value {
        Value::Object(object) => object.len() + object.values().map(members).sum::<usize>(),
        Value::Array(list) => list.iter().map(members).sum(),
        _ => 0,
    }
}

/// The colons outside of strings: as many as there are members, also of those that a map does not keep.
fn colons(json: &[u8]) -> usize {
    let (mut count, mut in_string, mut escaped) = (0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b':' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}
