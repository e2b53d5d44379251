//! Tests each rule on access tokens with a signed token.

use std::{collections::HashMap, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tower_refresh_core::{SessionHandle, Subject, Timestamp};

use super::{AccessToken, InvalidTokenReason, MAX_TOKEN_LEN, Verdict, verify};
use crate::{
    access_token::{CustomMembers, Expected, InvalidClaimsReason, NewAccessToken, Profile, mint, token_len},
    keys::{Algorithm, KeyRing, PreparedKeys, SigningKey, VerifyingKey},
};

mod claims;
mod custom;
mod duplicates;
mod expiry_hint;
mod header;
mod round_trip;

const NOW: u64 = 1_700_000_000;
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn audiences() -> [String; 1] {
    ["web".to_owned()]
}

fn expected(audiences: &[String]) -> Expected<'_> {
    let access_lifetime = Duration::from_secs(600);
    Expected { issuer: "https://issuer", audiences, access_lifetime, profile: Profile::own() }
}

fn keys() -> PreparedKeys {
    KeyRing::hs256(SECRET).unwrap().prepare().unwrap()
}

/// A token of any header and payload, signed.
fn signed(header: &str, payload: &str) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let message = format!("{}.{}", encode(header), encode(payload));
    let signature = keys().sign(message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn header() -> String {
    let kid = SigningKey::from_secret(Algorithm::Hs256, SECRET).unwrap().kid().to_owned();
    json!({"alg": "HS256", "typ": "at+jwt", "kid": kid}).to_string()
}

fn claims() -> Value {
    json!({
        "iss": "https://issuer", "sub": "alice", "aud": "web", "exp": NOW + 600, "iat": NOW, "jti": "1",
        "sid": SessionHandle::from_bytes([7; 16]).to_string(),
    })
}

/// The valid claims with some of them replaced, or removed by null.
fn claims_but(changes: &Value) -> String {
    let mut claims = claims();
    let members = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    claims.to_string()
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

fn verify_payload<C: DeserializeOwned>(payload: &str, now: Timestamp) -> Verdict<AccessToken<C>> {
    verify_text(&signed(&header(), payload), now)
}

fn verify_text<C: DeserializeOwned>(token: &str, now: Timestamp) -> Verdict<AccessToken<C>> {
    verify_with(token.as_bytes(), &keys(), now)
}

fn verify_with<C: DeserializeOwned>(
    token: &[u8],
    keys: &PreparedKeys,
    now: Timestamp,
) -> Verdict<AccessToken<C>> {
    verify(token, keys.verifiers(), &expected(&audiences()), now)
}

#[track_caller]
fn valid<C>(verdict: Verdict<AccessToken<C>>) -> AccessToken<C> {
    match verdict {
        Verdict::Valid(token) => token,
        Verdict::Expired { .. } => panic!("expired"),
        Verdict::Invalid(reason) => panic!("invalid: {reason}"),
    }
}

/// The verdict in a word or two.
fn word<C>(verdict: &Verdict<AccessToken<C>>) -> &'static str {
    match verdict {
        Verdict::Valid(_) => "valid",
        Verdict::Expired { .. } => "valid but expired",
        Verdict::Invalid(reason) => reason.as_str(),
    }
}
