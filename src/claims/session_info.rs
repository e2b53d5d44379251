//! What is known of a session.

use std::{fmt, net::IpAddr};

use tower_refresh_core::{SessionHandle, SessionRow, Timestamp};

/// A session, as the claims source and the list of sessions see it.
#[derive(Clone)]
pub struct SessionInfo {
    row: SessionRow,
}

impl SessionInfo {
    pub(crate) fn new(row: SessionRow) -> Self {
        Self { row }
    }

    /// Names the session; what [`Auth::end_session`](crate::Auth::end_session) takes.
    pub fn handle(&self) -> SessionHandle {
        self.row.handle
    }

    /// When the user logged in.
    pub fn created_at(&self) -> Timestamp {
        self.row.created_at
    }

    /// When the refresh token last rotated: the last use, to within the damping and the life of an access token.
    pub fn last_used_at(&self) -> Timestamp {
        self.row.rotated_at
    }

    /// When the session ends if it is not used again.
    pub fn expires_at(&self) -> Timestamp {
        self.row.expires_at()
    }

    /// The `User-Agent` at login, cut to 256 bytes.
    pub fn user_agent(&self) -> Option<&str> {
        self.row.meta.user_agent.as_deref()
    }

    /// The client's address at login, by [`AuthBuilder::client_ip`](crate::AuthBuilder::client_ip).
    pub fn ip(&self) -> Option<IpAddr> {
        self.row.meta.ip
    }

    /// The name that the application gave the session.
    pub fn label(&self) -> Option<&str> {
        self.row.meta.label.as_deref()
    }

    /// The bytes that the application gave at login.
    pub fn data(&self) -> &[u8] {
        &self.row.data
    }
}

impl fmt::Debug for SessionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionInfo")
            .field("handle", &self.handle())
            .field("created_at", &self.created_at())
            .field("last_used_at", &self.last_used_at())
            .field("expires_at", &self.expires_at())
            .field("user_agent", &self.user_agent())
            .field("ip", &self.ip())
            .field("label", &self.label())
            .finish_non_exhaustive()
    }
}
