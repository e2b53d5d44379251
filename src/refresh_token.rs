//! Refresh tokens: opaque strings with a MAC, in the refresh cookie or with a native client.
//!
//! `version(1) ‖ key id(1) ‖ session id(16) ‖ generation(4) ‖ absolute expiry(5) ‖ MAC(16)`, base64url without padding. The MAC
//! is HMAC-SHA256 over a context, which contains the transport, the format and the issuer, and over all preceding bytes. The
//! session id and the generation determine the token, so every server issues the same successor.

use std::{fmt, slice};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tower_refresh_core::{SessionHandle, Timestamp};
use zeroize::Zeroizing;

use crate::{
    crypto::{self, CryptoError},
    keys::PreparedKeys,
};

const VERSION: u8 = 1;
const BODY_LEN: usize = 27;
const MAC_LEN: usize = 16;
const LEN: usize = BODY_LEN + MAC_LEN;
const TEXT_LEN: usize = LEN * 4 / 3 + 1;
/// The latest second that fits into five bytes: in the year 36 812.
const LATEST_SECOND: u64 = (1 << 40) - 1;

/// How the refresh tokens of a session are sent. The login decides, and a token is invalid over the other transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefreshTransport {
    /// In the refresh cookie, which no script can read.
    Cookie,
    /// In request and response bodies: a native client keeps the token.
    Body,
}

/// The prefix of every MAC input. With it a token of a staging server is rejected in production, and a token from a cookie is
/// rejected in a body.
#[derive(Clone)]
pub(crate) struct MacContext {
    cookie: Box<[u8]>,
    body: Box<[u8]>,
}

impl MacContext {
    /// The longest issuer whose length fits into the context.
    pub(crate) const LONGEST_ISSUER: usize = u16::MAX as usize;

    pub(crate) fn new(issuer: &str) -> Self {
        let len = u16::try_from(issuer.len()).unwrap_or(u16::MAX).to_be_bytes();
        // The two contexts differ in the first byte, whatever the issuer.
        let of = |name: &[u8]| [name, &len, issuer.as_bytes()].concat().into();
        Self { cookie: of(b"tower-refresh/1"), body: of(b"native tower-refresh/1") }
    }

    fn of(&self, transport: RefreshTransport) -> &[u8] {
        match transport {
            RefreshTransport::Cookie => &self.cookie,
            RefreshTransport::Body => &self.body,
        }
    }
}

/// A session id, which only refresh tokens contain.
#[derive(Clone)]
pub(crate) struct SessionId(Zeroizing<[u8; 16]>);

impl SessionId {
    pub(crate) fn random() -> Result<Self, crypto::RandomError> {
        Ok(Self(Zeroizing::new(crypto::random()?)))
    }

    pub(crate) fn handle(&self) -> Result<SessionHandle, CryptoError> {
        Ok(SessionHandle::from_bytes(first_half(crypto::sha256(self.0.as_slice())?)))
    }
}

/// A refresh token with a valid MAC, or one that is about to be sent.
#[derive(Clone)]
pub(crate) struct RefreshToken {
    session_id: SessionId,
    pub(crate) transport: RefreshTransport,
    pub(crate) handle: SessionHandle,
    pub(crate) generation: u32,
    pub(crate) absolute_expiry: Timestamp,
}

impl RefreshToken {
    /// The first token of a new session.
    pub(crate) fn first(
        session_id: SessionId,
        transport: RefreshTransport,
        absolute_expiry: Timestamp,
    ) -> Result<Self, CryptoError> {
        Ok(Self { handle: session_id.handle()?, session_id, transport, generation: 0, absolute_expiry })
    }

    /// The token of the same session with another generation.
    pub(crate) fn with_generation(&self, generation: u32) -> Self {
        Self { generation, ..self.clone() }
    }

    /// The text, with a MAC of the active key.
    pub(crate) fn encode(
        &self,
        keys: &PreparedKeys,
        context: &MacContext,
    ) -> Result<Zeroizing<String>, CryptoError> {
        let (key_id, key) = keys.active_mac();
        let mut bytes = Zeroizing::new([0; LEN]);
        let (body, mac) = bytes.split_at_mut(BODY_LEN);
        body[..2].copy_from_slice(&[VERSION, key_id]);
        body[2..18].copy_from_slice(self.session_id.0.as_slice());
        body[18..22].copy_from_slice(&self.generation.to_be_bytes());
        let expiry = self.absolute_expiry.as_secs().min(LATEST_SECOND).to_be_bytes();
        body[22..].copy_from_slice(&expiry[3..]);
        mac.copy_from_slice(&self::mac(key, context.of(self.transport), body)?);
        Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
    }

    /// The token, if it is canonical and has a valid MAC of a key of the ring for this transport. Its expiry is not checked.
    fn decode(
        text: &[u8],
        transport: RefreshTransport,
        keys: &PreparedKeys,
        context: &MacContext,
    ) -> Option<Self> {
        if text.len() != TEXT_LEN {
            return None;
        }
        let mut bytes = Zeroizing::new([0; LEN]);
        URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut_slice()).ok().filter(|len| *len == LEN)?;
        let (body, sent_mac) = bytes.split_at(BODY_LEN);
        let (&[version, key_id], body_rest) = body.split_first_chunk::<2>()?;
        if version != VERSION {
            return None;
        }
        if !crypto::constant_time_eq(&mac(keys.mac(key_id)?, context.of(transport), body).ok()?, sent_mac) {
            return None;
        }
        let (session_id, rest) = body_rest.split_first_chunk::<16>()?;
        let (generation, expiry) = rest.split_first_chunk::<4>()?;
        let &[a, b, c, d, e] = expiry.first_chunk::<5>()?;
        let session_id = SessionId(Zeroizing::new(*session_id));
        Some(Self {
            handle: session_id.handle().ok()?,
            session_id,
            transport,
            generation: u32::from_be_bytes(*generation),
            absolute_expiry: Timestamp::from_secs(u64::from_be_bytes([0, 0, 0, a, b, c, d, e])),
        })
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshToken")
            .field("handle", &self.handle)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// The refresh tokens of a request.
#[derive(Clone, Debug)]
pub(crate) enum PresentedTokens {
    /// The request has none.
    Absent,
    /// None is valid.
    Invalid,
    /// Valid tokens of several sessions: none of them counts, and a logout ends all of these sessions.
    Several(Vec<SessionHandle>),
    /// A valid token past its absolute expiry: the session has expired.
    Expired(RefreshToken),
    /// A valid token.
    Token(RefreshToken),
}

impl PresentedTokens {
    /// Reads every candidate. Several valid tokens must be of one session, and the highest generation counts.
    pub(crate) fn read<'a>(
        texts: impl Iterator<Item = &'a [u8]>,
        transport: RefreshTransport,
        keys: &PreparedKeys,
        context: &MacContext,
        now: Timestamp,
    ) -> Self {
        let mut texts = texts.peekable();
        if texts.peek().is_none() {
            return Self::Absent;
        }
        let mut best: Option<RefreshToken> = None;
        let mut others = Vec::new();
        for token in texts.filter_map(|text| RefreshToken::decode(text, transport, keys, context)) {
            match &best {
                Some(other) if other.handle != token.handle => others.push(token.handle),
                Some(other) if other.generation >= token.generation => {}
                _ => best = Some(token),
            }
        }
        match best {
            None => Self::Invalid,
            Some(token) if !others.is_empty() => {
                others.push(token.handle);
                Self::Several(others)
            }
            Some(token) if now >= token.absolute_expiry => Self::Expired(token),
            Some(token) => Self::Token(token),
        }
    }

    /// The token, unless it has expired.
    pub(crate) fn token(&self) -> Option<&RefreshToken> {
        match self {
            Self::Token(token) => Some(token),
            Self::Absent | Self::Invalid | Self::Several(_) | Self::Expired(_) => None,
        }
    }

    /// The sessions of all tokens with a valid MAC.
    pub(crate) fn sessions(&self) -> &[SessionHandle] {
        match self {
            Self::Token(token) | Self::Expired(token) => slice::from_ref(&token.handle),
            Self::Several(sessions) => sessions,
            Self::Absent | Self::Invalid => &[],
        }
    }
}

fn mac(key: &crypto::MacKey, context: &[u8], body: &[u8]) -> Result<[u8; MAC_LEN], CryptoError> {
    Ok(first_half(key.mac(&[context, body])?))
}

fn first_half(full: [u8; 32]) -> [u8; MAC_LEN] {
    let mut half = [0; MAC_LEN];
    half.copy_from_slice(&full[..MAC_LEN]);
    half
}
