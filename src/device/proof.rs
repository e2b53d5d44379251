//! Device proofs: JWTs that a browser signs with the key of its device, in the request header `Secure-Session-Response`.
//!
//! The checks are those of access tokens (RFC 8725 §3), in this order; no step uses what an earlier step has not checked:
//!
//! 1. shape: at most [`MAX_TOKEN_LEN`] bytes, three segments, canonical base64url;
//! 2. header: no duplicate member at any depth, no unsupported extension, `typ`, `alg`;
//! 3. the key: that of the header's `jwk` at the registration, afterwards that of the session, and no `jwk`;
//! 4. signature, over the bytes as received;
//! 5. payload: no duplicate member at any depth, and `jti`. Its other members are not read: Chromium sends `authorization`, older
//!    versions `aud`, `iat` and `key`.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderMap;
use serde_json::{Map, Value};

use super::{error::ProofError, headers, key::DeviceKey, structured};
use crate::{
    access_token::{MAX_TOKEN_LEN, reject_duplicates},
    keys::Algorithm,
};

/// The proof in a request, which is still to be verified. `None` without the header.
///
/// A proof for an RSA key of 8192 bits has about 3400 bytes, or 5400 with the key in its payload as well.
pub(crate) fn read_response(headers: &HeaderMap) -> Result<Option<&[u8]>, ProofError> {
    let mut values = headers.get_all(&headers::RESPONSE).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ProofError::SeveralHeaders);
    }
    if value.len() > MAX_TOKEN_LEN {
        return Err(ProofError::TooLarge);
    }
    structured::string(value.as_bytes()).map(Some).ok_or(ProofError::Malformed)
}

/// The content of a registration's proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RegistrationProof {
    pub(crate) key: DeviceKey,
    /// Not verified yet.
    pub(crate) challenge: String,
}

/// Verifies the proof of a registration with the key that it brings.
pub(crate) fn register(jwt: &[u8]) -> Result<RegistrationProof, ProofError> {
    let jws = Jws::read(jwt)?;
    let alg = jws.alg()?;
    let key = DeviceKey::from_jwk(jws.header.get("jwk").ok_or(ProofError::MissingKey)?)?;
    let challenge = jws.challenge(alg, &key)?;
    Ok(RegistrationProof { key, challenge })
}

/// The content of a refresh's proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefreshProof {
    /// Not verified yet.
    pub(crate) challenge: String,
}

/// Verifies the proof of a refresh with the key of its session.
pub(crate) fn refresh(jwt: &[u8], key: &DeviceKey) -> Result<RefreshProof, ProofError> {
    let jws = Jws::read(jwt)?;
    let alg = jws.alg()?;
    if jws.header.contains_key("jwk") {
        return Err(ProofError::UnexpectedKey);
    }
    Ok(RefreshProof { challenge: jws.challenge(alg, key)? })
}

struct Jws<'a> {
    header: Map<String, Value>,
    payload: &'a [u8],
    message: &'a [u8],
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    fn read(jwt: &'a [u8]) -> Result<Self, ProofError> {
        let mut segments = jwt.split(|byte| *byte == b'.');
        let mut next = || segments.next();
        let (Some(header), Some(payload), Some(signature), None) = (next(), next(), next(), next()) else {
            return Err(ProofError::Malformed);
        };
        let message = jwt.get(..header.len() + 1 + payload.len()).ok_or(ProofError::Malformed)?;
        Ok(Self { header: object(header)?, payload, message, signature: decode(signature)? })
    }

    /// The algorithm that the header names, after the other members that every proof has.
    fn alg(&self) -> Result<Algorithm, ProofError> {
        let is_unencoded = self.header.get("b64").is_some_and(|b64| *b64 != Value::Bool(true));
        if self.header.contains_key("crit") || is_unencoded {
            return Err(ProofError::UnsupportedHeader);
        }
        if !self.text("typ")?.is_some_and(is_proof_type) {
            return Err(ProofError::WrongType);
        }
        let alg = self.text("alg")?;
        let supported = [Algorithm::Es256, Algorithm::Rs256];
        supported.into_iter().find(|known| alg == Some(known.as_str())).ok_or(ProofError::WrongAlgorithm)
    }

    /// The challenge of a proof whose signature `key` verifies.
    fn challenge(&self, alg: Algorithm, key: &DeviceKey) -> Result<String, ProofError> {
        if alg != key.algorithm() {
            return Err(ProofError::WrongAlgorithm);
        }
        if !key.accepts(self.message, &self.signature) {
            return Err(ProofError::BadSignature);
        }
        match object(self.payload)?.remove("jti") {
            Some(Value::String(challenge)) if !challenge.is_empty() => Ok(challenge),
            _ => Err(ProofError::MissingChallenge),
        }
    }

    fn text(&self, name: &str) -> Result<Option<&str>, ProofError> {
        self.header.get(name).map(|value| value.as_str().ok_or(ProofError::Malformed)).transpose()
    }
}

/// Media types are case-insensitive, and `application/` may be omitted (RFC 7515 §4.1.9).
fn is_proof_type(typ: &str) -> bool {
    ["dbsc+jwt", "application/dbsc+jwt"].iter().any(|known| typ.eq_ignore_ascii_case(known))
}

/// The JSON object of a segment.
fn object(segment: &[u8]) -> Result<Map<String, Value>, ProofError> {
    let json = decode(segment)?;
    let json = str::from_utf8(&json).map_err(|_| ProofError::Malformed)?;
    reject_duplicates(json)?;
    serde_json::from_str(json).map_err(|_| ProofError::Malformed)
}

/// Decodes a segment. The engine rejects padding, spaces and trailing bits, so each content has exactly one encoding.
fn decode(segment: &[u8]) -> Result<Vec<u8>, ProofError> {
    URL_SAFE_NO_PAD.decode(segment).map_err(|_| ProofError::Malformed)
}
