//! What the events of device-bound sessions contain.

use std::fmt;

/// Why a browser sent a request without refreshing its device-bound session first, as its `Secure-Session-Skipped` header says. Scripts can
/// send that header too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceRefreshSkipped {
    /// The browser could not reach the route.
    Unreachable,
    /// The route failed.
    ServerError,
    /// The browser has signed too often.
    QuotaExceeded,
}

impl DeviceRefreshSkipped {
    /// The stable name in logs and metrics, and in the header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::ServerError => "server_error",
            Self::QuotaExceeded => "quota_exceeded",
        }
    }
}

/// Why the registration of a device's key was refused. The session goes on as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceRefusal {
    /// The request is not one that the browser itself sends from our own origin.
    NotSameOrigin,
    /// The request does not have the refresh token of the session.
    NoSession,
    /// The challenge is not one of ours, or is one of another session.
    InvalidChallenge,
    /// The challenge is too old.
    ExpiredChallenge,
    /// The proof is malformed, or its signature does not verify.
    InvalidProof,
    /// The session is bound to another key.
    OtherKey,
    /// The session has ended or expired.
    SessionOver,
}

impl DeviceRefusal {
    /// The stable name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotSameOrigin => "not_same_origin",
            Self::NoSession => "no_session",
            Self::InvalidChallenge => "invalid_challenge",
            Self::ExpiredChallenge => "expired_challenge",
            Self::InvalidProof => "invalid_proof",
            Self::OtherKey => "other_key",
            Self::SessionOver => "session_over",
        }
    }
}

impl fmt::Display for DeviceRefreshSkipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for DeviceRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
