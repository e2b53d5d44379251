//! Issuing access tokens (RFC 9068 §2).

use std::{error::Error, fmt};

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
    let (payload_start, payload_len) = (keys.header().len() + 1, claims.payload_len());
    let len = token_len(keys, payload_len);
    let mut bytes = Vec::with_capacity(len.saturating_add(payload_len));
    // The dots stay between the parts. The payload is written behind the token, and encoded into it.
    bytes.resize(len, b'.');
    claims.write_payload(&token_id, &mut bytes);
    let (token, payload) = bytes.split_at_mut(len);
    token[..keys.header().len()].copy_from_slice(keys.header().as_bytes());
    let encode =
        |part: &[u8], into: &mut [u8]| URL_SAFE_NO_PAD.encode_slice(part, into).map_err(|_| MintError::Sign);
    let message_len = payload_start + encode(payload, &mut token[payload_start..])?;
    let (message, rest) = token.split_at_mut(message_len);
    let signature = keys.sign(message).map_err(|_| MintError::Sign)?;
    encode(signature.as_ref(), &mut rest[1..])?;
    bytes.truncate(len);
    String::from_utf8(bytes).map_err(|_| MintError::Sign)
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
        let mut len = 0;
        self.for_each_piece(&TokenId::default(), |name, value| len += name.len() + value.len());
        len
    }

    fn write_payload(&self, token_id: &TokenId, json: &mut Vec<u8>) {
        self.for_each_piece(token_id, |name, value| {
            json.extend_from_slice(name.as_bytes());
            value.write(json);
        });
    }

    /// The payload in pieces: what comes before a value, and the value.
    fn for_each_piece(&self, token_id: &TokenId, mut piece: impl FnMut(&str, Value<'_>)) {
        piece(r#"{"iss":"#, Value::Text(self.issuer));
        piece(r#","sub":"#, Value::Text(self.subject.as_str()));
        piece(r#","aud":"#, Value::Text(self.audience));
        piece(r#","exp":"#, Value::Number(self.expires_at.as_secs()));
        piece(r#","iat":"#, Value::Number(self.issued_at.as_secs()));
        piece(r#","jti":"#, Value::Id(token_id));
        piece(r#","sid":"#, Value::Id(self.session.as_bytes()));
        if !self.scope.is_empty() {
            piece(r#","scope":"#, Value::Text(self.scope));
        }
        if let Some(auth_time) = self.auth_time {
            piece(r#","auth_time":"#, Value::Number(auth_time.as_secs()));
        }
        if self.epoch != 0 {
            piece(r#","epoch":"#, Value::Number(self.epoch.into()));
        }
        if self.is_device_bound {
            piece(r#","dbsc":"#, Value::Json("true"));
        }
        if !self.custom.as_str().is_empty() {
            piece(",", Value::Json(self.custom.as_str()));
        }
        piece("}", Value::Json(""));
    }
}

enum Value<'a> {
    Text(&'a str),
    Number(u64),
    /// Encoded as base64url.
    Id(&'a [u8; 16]),
    Json(&'a str),
}

/// The length of an [`Id`](Value::Id), with quotes.
const ID_LEN: usize = 24;

impl Value<'_> {
    /// The length of what [`write`](Self::write) writes.
    fn len(&self) -> usize {
        match *self {
            // As serde_json escapes it (RFC 8259 §7).
            Self::Text(text) => text.bytes().fold(2, |len, byte| {
                len + match byte {
                    b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
                    0..0x20 => 6,
                    _ => 1,
                }
            }),
            Self::Number(number) => number.checked_ilog10().unwrap_or(0) as usize + 1,
            Self::Id(_) => ID_LEN,
            Self::Json(json) => json.len(),
        }
    }

    fn write(&self, json: &mut Vec<u8>) {
        // Nothing here can fail: the writer is in memory, and the values are strings and numbers.
        let _ = match *self {
            Self::Text(text) => serde_json::to_writer(json, text),
            Self::Number(number) => serde_json::to_writer(json, &number),
            Self::Id(id) => {
                let mut text = [b'"'; ID_LEN];
                let _ = URL_SAFE_NO_PAD.encode_slice(id, &mut text[1..ID_LEN - 1]);
                json.extend_from_slice(&text);
                Ok(())
            }
            Self::Json(text) => {
                json.extend_from_slice(text.as_bytes());
                Ok(())
            }
        };
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
