//! The options of a login.

use std::fmt;

/// The options of a login.
#[derive(Clone, Default)]
#[must_use]
pub struct LoginOptions {
    pub(super) label: Option<String>,
    pub(super) data: Vec<u8>,
}

impl LoginOptions {
    /// No label and no data.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a name for the session, which the list of sessions shows to the user. Control characters are removed, and the rest is
    /// cut to 256 bytes, since clients may choose it.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Sets bytes that the claims source reads from [`SessionInfo::data`](crate::SessionInfo::data): how the user authenticated, a
    /// tenant, a device. They do not change during the session, and are not sent to clients.
    pub fn data(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.data = data.into();
        self
    }
}

impl fmt::Debug for LoginOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginOptions").field("label", &self.label).finish_non_exhaustive()
    }
}
