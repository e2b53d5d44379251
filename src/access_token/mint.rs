//! Issuing access tokens (RFC 9068 §2).

use std::{
    collections::BTreeMap,
    error::Error,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, Serializer, de::IgnoredAny};
use tower_refresh_core::{SessionHandle, Subject, Timestamp};

use super::{
    scope,
    verify::{MAX_TOKEN_LEN, StandardClaim, reject_duplicates},
};
use crate::{crypto, keys::PreparedKeys};

/// The content of a new token. Times are rounded down to seconds.
#[derive(Debug)]
pub(crate) struct NewAccessToken<'a, C> {
    pub(crate) issuer: &'a str,
    pub(crate) audience: &'a str,
    pub(crate) subject: &'a Subject,
    pub(crate) session: SessionHandle,
    /// Scope tokens separated by single spaces, or empty (RFC 6749 §3.3).
    pub(crate) scope: &'a str,
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) custom: &'a C,
}

/// A token with these claims, signed with the active key.
pub(crate) fn mint<C: Serialize>(
    keys: &PreparedKeys,
    claims: &NewAccessToken<'_, C>,
) -> Result<String, MintError> {
    if !claims.scope.is_empty() && !scope::is_valid(claims.scope) {
        return Err(MintError::InvalidScope);
    }
    if claims.subject.as_str().is_empty() {
        return Err(MintError::EmptySubject);
    }
    let custom = custom_members(claims.custom)?;
    let token_id: [u8; 16] = crypto::random().map_err(|_| MintError::Random)?;
    let standard = serde_json::to_string(&Standard {
        iss: claims.issuer,
        sub: claims.subject.as_str(),
        aud: claims.audience,
        exp: claims.expires_at.as_secs(),
        iat: claims.issued_at.as_secs(),
        jti: &URL_SAFE_NO_PAD.encode(token_id),
        sid: claims.session,
        scope: claims.scope,
    })
    .map_err(|_| MintError::Serialize)?;

    let mut token = String::with_capacity(MAX_TOKEN_LEN.min(512 + 2 * (standard.len() + custom.len())));
    token.push_str(keys.header());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(join(standard, &custom), &mut token);
    let signature = keys.sign(token.as_bytes()).map_err(|_| MintError::Sign)?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    if token.len() > MAX_TOKEN_LEN { Err(MintError::TooLarge) } else { Ok(token) }
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
}

fn as_text<S: Serializer>(handle: &SessionHandle, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(handle)
}

/// The JSON of the custom members, without the braces. The text is checked after serialisation, so whatever the type does,
/// no token is issued that would not verify.
pub(super) fn custom_members<C: Serialize>(custom: &C) -> Result<String, MintError> {
    // A panic would reach every request that shares the refresh, after its token was rotated.
    let json = catch_unwind(AssertUnwindSafe(|| serde_json::to_string(custom)));
    let Ok(Ok(mut json)) = json else { return Err(MintError::Serialize) };
    if json == "null" {
        return Ok(String::new());
    }
    if !json.starts_with('{') {
        return Err(MintError::NotAMap);
    }
    reject_duplicates(&json).map_err(|_| MintError::DuplicateMember)?;
    let members: BTreeMap<String, IgnoredAny> =
        serde_json::from_str(&json).map_err(|_| MintError::Serialize)?;
    if members.keys().any(|name| StandardClaim::from_name(name).is_some()) {
        return Err(MintError::ReservedClaim);
    }
    json.pop();
    json.remove(0);
    Ok(json)
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
    /// A custom claim has the name of a standard claim.
    ReservedClaim,
    /// The custom claims have a duplicate member, or are nested too deep to be read again.
    DuplicateMember,
    /// The custom claims are neither a map nor a unit.
    NotAMap,
    /// The scope is malformed (RFC 6749 §3.3).
    InvalidScope,
    /// The subject is empty.
    EmptySubject,
    /// The token would be longer than a verifier accepts.
    TooLarge,
    /// The custom claims failed to serialise, or panicked.
    Serialize,
    /// The cryptographic backend failed to sign.
    Sign,
    /// No random bytes are available for the token id.
    Random,
}

impl fmt::Display for MintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReservedClaim => {
                "a custom claim has a reserved name: iss, sub, aud, exp, nbf, iat, jti, sid, scope, auth_time, epoch or \
                 dbsc"
            }
            Self::DuplicateMember => "the claims have a duplicate member, or are nested too deep",
            Self::NotAMap => "the claims must serialise as a map, a struct or a unit",
            Self::InvalidScope => {
                "the scope is malformed: scope tokens are printable ASCII, separated by single spaces"
            }
            Self::EmptySubject => "the subject is empty",
            Self::TooLarge => "the access token would be longer than 8192 bytes",
            Self::Serialize => "the claims failed to serialise",
            Self::Sign => "the access token could not be signed",
            Self::Random => "no random bytes are available",
        })
    }
}

impl Error for MintError {}
