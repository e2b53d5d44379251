//! Texts with a MAC: challenges, and the identifiers of bound sessions.
//!
//! `body ‖ key id(1) ‖ MAC(16)`, base64url without padding. The MAC is HMAC-SHA256 over a context, which contains the purpose, the
//! format and the issuer, and over all preceding bytes; its keys are those of the refresh tokens.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    crypto::{self, CryptoError, MacKey},
    keys::PreparedKeys,
};

const MAC_LEN: usize = 16;

/// What a text is for. It is valid for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Registration,
    Refresh,
    Identifier,
}

/// The prefix of every MAC input, for each purpose.
#[derive(Clone)]
pub(crate) struct DeviceContext {
    registration: Box<[u8]>,
    refresh: Box<[u8]>,
    identifier: Box<[u8]>,
}

impl DeviceContext {
    /// The context of an issuer of at most 65535 bytes.
    pub(crate) fn new(issuer: &str) -> Self {
        let len = u16::try_from(issuer.len()).unwrap_or(u16::MAX).to_be_bytes();
        // None is a prefix of another, nor of a refresh token's, whatever the issuer.
        let of = |name: &[u8]| [name, &len, issuer.as_bytes()].concat().into();
        Self {
            registration: of(b"device registration tower-refresh/1"),
            refresh: of(b"device refresh tower-refresh/1"),
            identifier: of(b"device identifier tower-refresh/1"),
        }
    }

    fn of(&self, purpose: Purpose) -> &[u8] {
        match purpose {
            Purpose::Registration => &self.registration,
            Purpose::Refresh => &self.refresh,
            Purpose::Identifier => &self.identifier,
        }
    }
}

/// The text, with a MAC of the active key.
pub(super) fn seal(
    body: &[u8],
    purpose: Purpose,
    keys: &PreparedKeys,
    context: &DeviceContext,
) -> Result<String, CryptoError> {
    let (key_id, key) = keys.active_mac();
    let mac = mac(key, context.of(purpose), body, key_id)?;
    Ok(URL_SAFE_NO_PAD.encode([body, &[key_id], &mac].concat()))
}

/// The body, if the text is canonical and has a valid MAC of a key of the ring for this purpose.
pub(super) fn open<const BODY_LEN: usize>(
    text: &[u8],
    purpose: Purpose,
    keys: &PreparedKeys,
    context: &DeviceContext,
) -> Option<[u8; BODY_LEN]> {
    let (body, key_id, sent_mac) = split(text)?;
    let mac = mac(keys.mac(key_id)?, context.of(purpose), &body, key_id).ok()?;
    crypto::constant_time_eq(&mac, &sent_mac).then_some(body)
}

/// The body of a canonical text, whatever its MAC.
pub(super) fn body_unverified<const BODY_LEN: usize>(text: &[u8]) -> Option<[u8; BODY_LEN]> {
    split(text).map(|(body, _, _)| body)
}

fn split<const BODY_LEN: usize>(text: &[u8]) -> Option<([u8; BODY_LEN], u8, [u8; MAC_LEN])> {
    if text.len() != ((BODY_LEN + 1 + MAC_LEN) * 4).div_ceil(3) {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (body, rest) = bytes.split_first_chunk()?;
    let (key_id, mac) = rest.split_first()?;
    Some((*body, *key_id, mac.try_into().ok()?))
}

fn mac(key: &MacKey, context: &[u8], body: &[u8], key_id: u8) -> Result<[u8; MAC_LEN], CryptoError> {
    let full = key.mac(&[context, body, &[key_id]])?;
    let mut half = [0; MAC_LEN];
    half.copy_from_slice(&full[..MAC_LEN]);
    Ok(half)
}
