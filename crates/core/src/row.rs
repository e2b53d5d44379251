//! A session as stored.

use std::{error::Error, fmt, net::IpAddr, str::FromStr, sync::Arc, time::Duration};

use crate::{SessionBinding, SessionHandle, Timestamp};

/// One session, that is one login on one device, as a [`SessionStore`](crate::SessionStore) stores it.
///
/// It contains no token and no hash of a token, so that a leaked table does not help to forge one. All times are passed
/// in; a store never reads a clock.
///
/// A [swap](crate::SessionStore::compare_and_swap) writes the fields that may change. Those that never change have their
/// value from the login.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionRow {
    /// The key of the row. Never changes.
    pub handle: SessionHandle,
    /// The user of the session. Never changes.
    pub subject: Subject,
    /// The generation of the current refresh token. It starts at 0, and each rotation increments it.
    pub generation: u32,
    /// When the current generation was reached, or last paid for from the late budget.
    pub rotated_at: Timestamp,
    /// Whether a client has presented the current refresh token, which proves that the client received it.
    pub confirmed: bool,
    /// When the late budget will be full again (the theoretical arrival time of a GCRA). Full if not in the future.
    pub late_budget: Timestamp,
    /// When the user logged in. Never changes.
    pub created_at: Timestamp,
    /// When the application last checked who the user is: at the login, or as the application stated it. Never changes.
    pub authenticated_at: Timestamp,
    /// How long the session lives without a refresh, in whole milliseconds. `None` is the idle lifetime of the policy, for
    /// the rows of versions that did not store it. Never changes.
    pub idle: Option<Duration>,
    /// When the session expires if it is not refreshed. Rotations move it, at most to `absolute_expiry`.
    pub idle_expiry: Timestamp,
    /// When the session expires in any case. Never changes.
    pub absolute_expiry: Timestamp,
    /// Whether the cookies of the session have a `Max-Age`, so that they outlive the browser. Never changes.
    pub persistent: bool,
    /// How often the claims of the session were invalidated. Access tokens with claims of a lower epoch are outdated.
    pub claims_epoch: u32,
    /// The device to which the session is bound, if it is.
    pub binding: Option<SessionBinding>,
    /// Set once, by [`end`](crate::SessionStore::end), and never reset.
    pub ended: Option<Ended>,
    /// A random number below 2^63 that the caller draws for each write, so that compare-and-swap detects a write in between.
    /// A counter would return to an earlier value if a failover loses a write.
    pub version: u64,
    /// The description of the device, given at login. Never changes.
    pub meta: SessionMeta,
    /// Application data, given at login. A swap may change it.
    pub data: Vec<u8>,
}

impl SessionRow {
    /// A live session at generation 0, version 0 and claims epoch 0, with a full late budget and persistent cookies, without
    /// meta, data and binding. The user was authenticated at `created_at`, and the session's own idle lifetime is the time
    /// from then to `idle_expiry`.
    pub fn new(
        handle: SessionHandle,
        subject: Subject,
        created_at: Timestamp,
        idle_expiry: Timestamp,
        absolute_expiry: Timestamp,
    ) -> Self {
        let idle_expiry = idle_expiry.min(absolute_expiry);
        Self {
            handle,
            subject,
            generation: 0,
            rotated_at: created_at,
            confirmed: false,
            late_budget: Timestamp::default(),
            created_at,
            authenticated_at: created_at,
            idle: Some(idle_expiry.saturating_since(created_at)),
            idle_expiry,
            absolute_expiry,
            persistent: true,
            claims_epoch: 0,
            binding: None,
            ended: None,
            version: 0,
            meta: SessionMeta::default(),
            data: Vec::new(),
        }
    }

    /// When the session expires: the earlier of `idle_expiry` and `absolute_expiry`.
    pub fn expires_at(&self) -> Timestamp {
        self.idle_expiry.min(self.absolute_expiry)
    }

    /// When the session ended or expires, whichever is earlier.
    pub fn dead_since(&self) -> Timestamp {
        self.ended.map_or(self.expires_at(), |ended| ended.at.min(self.expires_at()))
    }

    /// Whether the session has neither ended nor expired at `now`. An expiry equal to `now` has passed.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.expires_at()
    }
}

/// When a session ended, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// Why the session ended.
    pub reason: EndReason,
    /// When the session ended.
    pub at: Timestamp,
}

impl Ended {
    /// A session end at `at` for `reason`.
    pub const fn new(reason: EndReason, at: Timestamp) -> Self {
        Self { reason, at }
    }
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// The user logged out, or ended this session from another one.
    Logout,
    /// A refresh token was used that an honest client can no longer have, so somebody has a copy.
    Reuse,
    /// According to the claims source, the subject no longer exists.
    Disabled,
    /// A new login in the same client replaced this session.
    Superseded,
    /// The application ended the session.
    Revoked,
    /// A later login exceeded the number of sessions that a user may have, or ended the user's other sessions.
    Displaced,
    /// The application found a refresh suspicious.
    Suspicious,
}

impl EndReason {
    /// All reasons, for stores that enumerate them.
    pub const ALL: [Self; 7] = [
        Self::Logout,
        Self::Reuse,
        Self::Disabled,
        Self::Superseded,
        Self::Revoked,
        Self::Displaced,
        Self::Suspicious,
    ];

    /// The stable name, as stored and logged.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Reuse => "reuse",
            Self::Disabled => "disabled",
            Self::Superseded => "superseded",
            Self::Revoked => "revoked",
            Self::Displaced => "displaced",
            Self::Suspicious => "suspicious",
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

/// The text is not the name of an [`EndReason`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseEndReasonError(());

impl fmt::Display for ParseEndReasonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown reason for a session end")
    }
}

impl Error for ParseEndReasonError {}

/// The user of a session: the `sub` claim of its access tokens (RFC 7519 §4.1.2).
///
/// Any text with which the application identifies a user. Subjects are compared byte for byte. A clone shares the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(Arc<str>);

impl Subject {
    /// A subject with the application's identifier of the user.
    pub fn new(subject: impl Into<String>) -> Self {
        Self(subject.into().into())
    }

    /// The identifier.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The identifier as an owned string.
    pub fn into_string(self) -> String {
        String::from(&*self.0)
    }
}

impl Subject {
    /// A subject with an identifier that is displayed, such as a UUID. Two identifiers are the same subject if they are displayed
    /// alike.
    ///
    /// ```
    /// use tower_refresh_core::Subject;
    ///
    /// let address = std::net::Ipv4Addr::LOCALHOST;
    /// assert_eq!(Subject::from_display(address).as_str(), "127.0.0.1");
    /// ```
    pub fn from_display(id: impl fmt::Display) -> Self {
        Self(id.to_string().into())
    }
}

/// In decimal digits, as a database numbers its users.
macro_rules! from_integers {
    ($($integer:ty)*) => {
        $(impl From<$integer> for Subject {
            fn from(id: $integer) -> Self {
                Self(id.to_string().into())
            }
        })*
    };
}

from_integers!(i32 i64 i128 u32 u64 u128);

impl From<String> for Subject {
    fn from(subject: String) -> Self {
        Self(subject.into())
    }
}

/// Shares the text.
impl From<Arc<str>> for Subject {
    fn from(subject: Arc<str>) -> Self {
        Self(subject)
    }
}

impl From<&str> for Subject {
    fn from(subject: &str) -> Self {
        Self(subject.into())
    }
}

impl From<&String> for Subject {
    fn from(subject: &String) -> Self {
        Self(subject.as_str().into())
    }
}

impl From<&Self> for Subject {
    fn from(subject: &Self) -> Self {
        subject.clone()
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

/// A description of the device at login, for the list of sessions that is shown to the user.
///
/// No decision depends on it: the user agent and the address of an honest user change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionMeta {
    /// The `User-Agent` header at login. The middleware limits its length.
    pub user_agent: Option<String>,
    /// The address of the client at login, if the application configured how to determine it.
    pub ip: Option<IpAddr>,
    /// A name that the application gave the session, for example "Anna's phone".
    pub label: Option<String>,
}
