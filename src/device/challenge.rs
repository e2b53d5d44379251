//! Challenges: what a browser must sign. No store keeps them.
//!
//! The bodies are `handle(16) ‖ time(5) ‖ issued on a navigation from elsewhere(1) ‖ nonce(8)` for a registration, and
//! `handle(16) ‖ counter(4)` for a refresh.

use std::{error::Error, fmt, time::Duration};

use tower_refresh_core::{SessionHandle, Timestamp};

use super::sealed::{self, DeviceContext, Purpose};
use crate::{
    clock::MAX_CLOCK_SKEW,
    crypto::{self, CryptoError, RandomError},
    keys::PreparedKeys,
};

const REGISTRATION_LEN: usize = 30;
const REFRESH_LEN: usize = 20;
const NONCE_LEN: usize = 8;
/// Browsers register within a second of the response that offers it.
const LONGEST_REGISTRATION: Duration = Duration::from_secs(120);
/// The latest second that fits into five bytes.
const LATEST_SECOND: u64 = (1 << 40) - 1;

/// A challenge with a valid MAC, or one that is about to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// For the key that a device registers.
    Register {
        handle: SessionHandle,
        /// Whole seconds.
        issued_at: Timestamp,
        /// Whether it was issued on a navigation that another site started, with a response that no script can read, not even a service
        /// worker.
        from_elsewhere: bool,
    },
    /// For a refresh of a bound session.
    Refresh {
        handle: SessionHandle,
        /// The counter of the session's binding. Each accepted proof adds one, so a challenge is accepted once.
        counter: u32,
    },
}

impl Challenge {
    /// The text, with a MAC of the active key. Two texts of one registration challenge differ; those of a refresh challenge are equal
    /// on every server.
    pub(crate) fn encode(
        &self,
        keys: &PreparedKeys,
        context: &DeviceContext,
    ) -> Result<String, ChallengeError> {
        match self {
            Self::Register { handle, issued_at, from_elsewhere } => {
                let mut body = Vec::with_capacity(REGISTRATION_LEN);
                body.extend(handle.as_bytes());
                body.extend(&issued_at.as_secs().min(LATEST_SECOND).to_be_bytes()[3..]);
                body.push(u8::from(*from_elsewhere));
                body.extend(crypto::random::<NONCE_LEN>()?);
                Ok(sealed::seal(&body, Purpose::Registration, keys, context)?)
            }
            Self::Refresh { handle, counter } => {
                let body = [handle.as_bytes().as_slice(), &counter.to_be_bytes()].concat();
                Ok(sealed::seal(&body, Purpose::Refresh, keys, context)?)
            }
        }
    }

    /// The challenge, if the text is canonical and has a valid MAC of a key of the ring. Neither its age nor the counter is checked.
    pub(crate) fn decode(text: &[u8], keys: &PreparedKeys, context: &DeviceContext) -> Option<Self> {
        if let Some(body) = sealed::open::<REGISTRATION_LEN>(text, Purpose::Registration, keys, context) {
            let (handle, rest) = body.split_first_chunk()?;
            let (&[a, b, c, d, e, from_elsewhere], _) = rest.split_first_chunk::<6>()?;
            return Some(Self::Register {
                handle: SessionHandle::from_bytes(*handle),
                issued_at: Timestamp::from_secs(u64::from_be_bytes([0, 0, 0, a, b, c, d, e])),
                from_elsewhere: from_elsewhere != 0,
            });
        }
        let body = sealed::open::<REFRESH_LEN>(text, Purpose::Refresh, keys, context)?;
        let (handle, counter) = body.split_first_chunk()?;
        Some(Self::Refresh {
            handle: SessionHandle::from_bytes(*handle),
            counter: u32::from_be_bytes(counter.try_into().ok()?),
        })
    }

    /// Whether a registration challenge is at most 120 s old, and at most 60 s in the future. The age of a refresh challenge does not
    /// matter, because the counter of the binding limits its use.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        match self {
            Self::Register { issued_at, .. } => {
                *issued_at <= now.saturating_add(MAX_CLOCK_SKEW)
                    && now.saturating_since(*issued_at) <= LONGEST_REGISTRATION
            }
            Self::Refresh { .. } => true,
        }
    }
}

/// Why no challenge can be issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChallengeError {
    Crypto(CryptoError),
    Random(RandomError),
}

impl From<CryptoError> for ChallengeError {
    fn from(error: CryptoError) -> Self {
        Self::Crypto(error)
    }
}

impl From<RandomError> for ChallengeError {
    fn from(error: RandomError) -> Self {
        Self::Random(error)
    }
}

impl fmt::Display for ChallengeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crypto(error) => error.fmt(f),
            Self::Random(error) => error.fmt(f),
        }
    }
}

impl Error for ChallengeError {}
