//! The names of the store's keys.

use tower_refresh_core::{SessionHandle, Subject};

use crate::error::{OpenError, OpenErrorKind};

const MAX_PREFIX_LEN: usize = 64;

/// The prefix of every key and of the channel.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    /// Only letters, digits, `_`, `-`, `.` and `:`: braces would put all sessions onto one node of a Cluster, and `*`, `?` or
    /// brackets would be a pattern when a purge scans for keys.
    pub(crate) fn new(prefix: &str) -> Result<Self, OpenError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
        if prefix.is_empty() || prefix.len() > MAX_PREFIX_LEN || !prefix.bytes().all(is_plain) {
            return Err(OpenErrorKind::InvalidPrefix.into());
        }
        Ok(Self { prefix: prefix.to_owned() })
    }

    /// One session: a string, see [`row`](super::row).
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

    /// The pattern that the keys of all rows match.
    pub(crate) fn rows(&self) -> String {
        format!("{}:s:*", self.prefix)
    }

    /// The handles of a subject's sessions: a sorted set, by login.
    pub(crate) fn index(&self, subject: &Subject) -> String {
        format!("{}:i:{subject}", self.prefix)
    }

    /// The index of the first version: a sorted set of handles, by absolute expiry.
    pub(crate) fn first_index(&self, subject: &Subject) -> String {
        format!("{}:u:{subject}", self.prefix)
    }

    /// Recently ended sessions and outdated claims: a stream.
    pub(crate) fn log(&self) -> String {
        format!("{}:ends", self.prefix)
    }

    /// The pattern that the keys of all indexes match.
    pub(crate) fn indexes(&self) -> String {
        format!("{}:i:*", self.prefix)
    }

    /// The pattern that the keys of all indexes of the first version match.
    pub(crate) fn first_indexes(&self) -> String {
        format!("{}:u:*", self.prefix)
    }

    /// The channel on which ended sessions and outdated claims are published.
    pub(crate) fn channel(&self) -> String {
        format!("{}:ended", self.prefix)
    }
}
