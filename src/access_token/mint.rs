//! Issuing access tokens (RFC 9068 §2).

use std::{
    error::Error,
    fmt,
    io::{self, Write},
};

use base64::{Engine, encoded_len, engine::general_purpose::URL_SAFE_NO_PAD};
use tower_refresh_core::{SessionHandle, Subject, Timestamp};

use super::custom_members::CustomMembers;
use crate::{crypto, keys::PreparedKeys};

/// The content of a new token, which the caller has checked. Times are rounded down to seconds.
#[derive(Debug)]
pub(crate) struct NewAccessToken<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) audience: &'a str,
    pub(crate) subject: &'a Subject,
    pub(crate) session: SessionHandle,
    /// Scope tokens separated by single spaces, or empty (RFC 6749 §3.3).
    pub(crate) scope: &'a str,
    pub(crate) auth_time: Option<Timestamp>,
    /// The epoch of the claims.
    pub(crate) epoch: u32,
    /// Whether the device of the session gave a proof for this token.
    pub(crate) is_device_bound: bool,
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) custom: &'a CustomMembers,
}

/// A token with these claims, signed with the active key.
pub(crate) fn mint(keys: &PreparedKeys, claims: &NewAccessToken<'_>) -> Result<String, MintError> {
    let token_id: TokenId = crypto::random_id().map_err(|_| MintError::Random)?;
    let mut payload = Vec::with_capacity(claims.payload_len());
    claims.write_payload(&token_id, &mut payload);
    let mut token = String::with_capacity(token_len(keys, payload.len()));
    token.push_str(keys.header());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let signature = keys.sign(token.as_bytes()).map_err(|_| MintError::Sign)?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

/// The length of a token with a payload of this length, which the active key signs.
pub(crate) fn token_len(keys: &PreparedKeys, payload_len: usize) -> usize {
    let encoded = |len| encoded_len(len, false).unwrap_or(usize::MAX);
    [keys.header().len(), 1, encoded(payload_len), 1, encoded(keys.signature_len())]
        .into_iter()
        .fold(0, usize::saturating_add)
}

type TokenId = [u8; 16];

impl NewAccessToken<'_> {
    /// The length of the payload. The random token id has the same length in every token.
    pub(crate) fn payload_len(&self) -> usize {
        let mut len = Length(0);
        self.write_payload(&TokenId::default(), &mut len);
        len.0
    }

    fn write_payload(&self, token_id: &TokenId, json: &mut impl Write) {
        let mut write = |name: &str, value: Value<'_>| {
            // It cannot fail: the writers are in memory, and every value is a string, a number or a boolean.
            let _ = json.write_all(name.as_bytes()).and_then(|()| value.write(json));
        };
        write(r#"{"iss":"#, Value::Text(self.issuer));
        write(r#","sub":"#, Value::Text(self.subject.as_str()));
        write(r#","aud":"#, Value::Text(self.audience));
        write(r#","exp":"#, Value::Number(self.expires_at.as_secs()));
        write(r#","iat":"#, Value::Number(self.issued_at.as_secs()));
        write(r#","jti":"#, Value::Id(token_id));
        write(r#","sid":"#, Value::Id(self.session.as_bytes()));
        if !self.scope.is_empty() {
            write(r#","scope":"#, Value::Text(self.scope));
        }
        if let Some(auth_time) = self.auth_time {
            write(r#","auth_time":"#, Value::Number(auth_time.as_secs()));
        }
        if self.epoch != 0 {
            write(r#","epoch":"#, Value::Number(self.epoch.into()));
        }
        if self.is_device_bound {
            write(r#","dbsc":"#, Value::True);
        }
        if !self.custom.as_str().is_empty() {
            write(",", Value::Members(self.custom.as_str()));
        }
        write("}", Value::Members(""));
    }
}

/// A value in JSON.
enum Value<'a> {
    Text(&'a str),
    Number(u64),
    /// Encoded as base64url.
    Id(&'a [u8; 16]),
    True,
    /// The members of an object, which are JSON already.
    Members(&'a str),
}

impl Value<'_> {
    fn write(&self, json: &mut impl Write) -> io::Result<()> {
        match *self {
            Self::Text(text) => serde_json::to_writer(json, text).map_err(io::Error::from),
            Self::Number(number) => serde_json::to_writer(json, &number).map_err(io::Error::from),
            Self::Id(id) => {
                let mut text = [b'"'; 24];
                URL_SAFE_NO_PAD.encode_slice(id, &mut text[1..23]).map_err(io::Error::other)?;
                json.write_all(&text)
            }
            Self::True => json.write_all(b"true"),
            Self::Members(members) => json.write_all(members.as_bytes()),
        }
    }
}

/// Counts what is written.
struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why no token was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MintError {
    /// The cryptographic backend failed to sign.
    Sign,
    /// No random bytes are available for the token id.
    Random,
}

impl fmt::Display for MintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sign => "the access token could not be signed",
            Self::Random => "no random bytes are available",
        })
    }
}

impl Error for MintError {}
