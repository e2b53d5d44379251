//! The names of the store's keys.

use tower_refresh_core::{SessionHandle, Subject};

use crate::{ConnectError, ConnectErrorKind};

const LONGEST: usize = 64;

/// What every key and the channel begin with.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    /// Letters, digits, `_`, `-`, `.` and `:` only: braces would put all sessions of a Cluster onto one node, and `*`, `?` or
    /// brackets would be a pattern where a purge looks for keys.
    pub(crate) fn new(prefix: &str) -> Result<Self, ConnectError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
        if prefix.is_empty() || prefix.len() > LONGEST || !prefix.bytes().all(is_plain) {
            return Err(ConnectErrorKind::InvalidPrefix.into());
        }
        Ok(Self { prefix: prefix.to_owned() })
    }

    /// One session: a string, see [`row`](crate::row).
    pub(crate) fn row(&self, handle: SessionHandle) -> String {
        let mut key = String::with_capacity(self.prefix.len() + 3 + SessionHandle::TEXT_LEN);
        key.push_str(&self.prefix);
        key.push_str(":s:");
        key.push_str(&handle.to_string());
        key
    }

    /// The handle of a [`row`](Self::row)'s key.
    pub(crate) fn handle(&self, key: &[u8]) -> Option<SessionHandle> {
        let text = key.strip_prefix(self.prefix.as_bytes())?.strip_prefix(b":s:")?;
        str::from_utf8(text).ok()?.parse().ok()
    }

    /// The pattern that all rows' keys match.
    pub(crate) fn rows(&self) -> String {
        format!("{}:s:*", self.prefix)
    }

    /// The handles of a subject's sessions: a sorted set by the time they die at the latest.
    pub(crate) fn index(&self, subject: &Subject) -> String {
        format!("{}:u:{subject}", self.prefix)
    }

    /// The ends of late: a stream.
    pub(crate) fn log(&self) -> String {
        format!("{}:ends", self.prefix)
    }

    /// The channel on which ends are told.
    pub(crate) fn channel(&self) -> String {
        format!("{}:ended", self.prefix)
    }
}
