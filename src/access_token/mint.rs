//! Issuing access tokens (RFC 9068 §2).

use std::{error::Error, fmt};

use base64::{Engine, encoded_len, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, Serializer};
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
    let token_id: TokenId = crypto::random().map_err(|_| MintError::Random)?;
    let payload = claims.payload(&token_id);
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
        self.payload(&TokenId::default()).len()
    }

    fn payload(&self, token_id: &TokenId) -> String {
        let standard = Standard {
            iss: self.issuer,
            sub: self.subject.as_str(),
            aud: self.audience,
            exp: self.expires_at.as_secs(),
            iat: self.issued_at.as_secs(),
            jti: &URL_SAFE_NO_PAD.encode(token_id),
            sid: self.session,
            scope: self.scope,
            auth_time: self.auth_time.map(Timestamp::as_secs),
            epoch: self.epoch,
            dbsc: self.is_device_bound,
        };
        // It cannot fail: every member is a string, a number or a boolean.
        let standard = serde_json::to_string(&standard).unwrap_or_default();
        join(standard, self.custom.as_str())
    }
}

#[derive(Serialize)]
struct Standard<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: u64,
    iat: u64,
    jti: &'a str,
    #[serde(serialize_with = "as_text")]
    sid: SessionHandle,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<u64>,
    #[serde(skip_serializing_if = "is_default")]
    epoch: u32,
    #[serde(skip_serializing_if = "is_default")]
    dbsc: bool,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn as_text<S: Serializer>(handle: &SessionHandle, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(handle)
}

/// Appends members to a JSON object that is not empty.
fn join(mut object: String, members: &str) -> String {
    if !members.is_empty() {
        object.pop();
        object.push(',');
        object.push_str(members);
        object.push('}');
    }
    object
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
