//! One session as a store keeps it.

use std::{error::Error, fmt, net::IpAddr, str::FromStr};

use crate::{SessionHandle, Timestamp};

/// One login on one device: what a [`SessionStore`](crate::SessionStore) keeps of it.
///
/// No token and no hash of a token is in it, so a leaked table forges nothing. Times are in milliseconds since the
/// epoch and are passed in; a store never reads a clock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionRow {
    /// The key. Never changes.
    pub handle: SessionHandle,
    /// Whose session it is. Never changes.
    pub subject: Subject,
    /// The generation of the newest refresh token, from 0; each rotation adds one.
    pub generation: u32,
    /// When the generation was reached, last handed out late, or confirmed.
    pub rotated_at: Timestamp,
    /// Whether a client has presented the current generation, which proves that it arrived.
    pub confirmed: bool,
    /// Until when the late budget is spent (a GCRA's theoretical arrival time); the epoch when it is full.
    pub late_budget: Timestamp,
    /// When the user logged in. Never changes.
    pub created_at: Timestamp,
    /// When the session dies of disuse. Moved by rotations, never beyond `absolute_expiry`.
    pub idle_expiry: Timestamp,
    /// When the session dies in any case. Never changes.
    pub absolute_expiry: Timestamp,
    /// Set once, by [`end`](crate::SessionStore::end); never taken back.
    pub ended: Option<Ended>,
    /// Counts the writes to this row; compare-and-swap tells by it whether another write came between.
    pub version: u64,
    /// What the login said of the device. Never changes.
    pub meta: SessionMeta,
    /// Bytes of the application, given at login. Never changes.
    pub data: Vec<u8>,
}

impl SessionRow {
    /// A session at generation 0, version 0, live, its late budget full, with no meta and no data.
    pub fn new(
        handle: SessionHandle,
        subject: Subject,
        created_at: Timestamp,
        idle_expiry: Timestamp,
        absolute_expiry: Timestamp,
    ) -> Self {
        Self {
            handle,
            subject,
            generation: 0,
            rotated_at: created_at,
            confirmed: false,
            late_budget: Timestamp::default(),
            created_at,
            idle_expiry: idle_expiry.min(absolute_expiry),
            absolute_expiry,
            ended: None,
            version: 0,
            meta: SessionMeta::default(),
            data: Vec::new(),
        }
    }

    /// When the session dies if nothing happens: the earlier of its two expiries.
    pub fn expires_at(&self) -> Timestamp {
        self.idle_expiry.min(self.absolute_expiry)
    }

    /// When the session died, or will die: its end if it was ended before it expired, else its expiry.
    pub fn dead_since(&self) -> Timestamp {
        self.ended.map_or(self.expires_at(), |ended| ended.at.min(self.expires_at()))
    }

    /// Whether the session is neither ended nor expired at `now`. An expiry equal to `now` is past.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.expires_at()
    }
}

/// When a session ended, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// Why.
    pub reason: EndReason,
    /// When.
    pub at: Timestamp,
}

impl Ended {
    /// An end for `reason` at `at`.
    pub const fn new(reason: EndReason, at: Timestamp) -> Self {
        Self { reason, at }
    }
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// The user logged out of this session, or ended it from another one.
    Logout,
    /// A refresh token was used that an honest client cannot still hold: somebody has a copy.
    Reuse,
    /// The claims source no longer knows the subject.
    Disabled,
    /// A new login in the same client took its place.
    Superseded,
    /// The application ended it.
    Revoked,
}

impl EndReason {
    /// Every reason, for stores that enumerate them.
    pub const ALL: [Self; 5] = [Self::Logout, Self::Reuse, Self::Disabled, Self::Superseded, Self::Revoked];

    /// The stable name a store keeps and a log shows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Reuse => "reuse",
            Self::Disabled => "disabled",
            Self::Superseded => "superseded",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for EndReason {
    type Err = ParseEndReasonError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or(ParseEndReasonError(()))
    }
}

/// The text names no [`EndReason`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseEndReasonError(());

impl fmt::Display for ParseEndReasonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown reason for the end of a session")
    }
}

impl Error for ParseEndReasonError {}

/// Who a session belongs to: the `sub` of its access tokens (RFC 7519 §4.1.2).
///
/// Any text the application identifies a user by; compared byte for byte.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(String);

impl Subject {
    /// From the application's identifier of a user.
    pub fn new(subject: impl Into<String>) -> Self {
        Self(subject.into())
    }

    /// The identifier.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The identifier, owned.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl From<String> for Subject {
    fn from(subject: String) -> Self {
        Self(subject)
    }
}

impl From<&str> for Subject {
    fn from(subject: &str) -> Self {
        Self(subject.to_owned())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({:?})", self.0)
    }
}

/// What a login tells of the device, for the list of sessions that a user sees.
///
/// Nothing decides by it: user agents and addresses change under an honest user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionMeta {
    /// The `User-Agent` at login, cut to a bounded length by the middleware.
    pub user_agent: Option<String>,
    /// The client's address at login, where the application says how to tell it.
    pub ip: Option<IpAddr>,
    /// A name the application gives the session, such as "Anna's phone".
    pub label: Option<String>,
}
