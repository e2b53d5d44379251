//! A session, as applications see it.

use std::{fmt, net::IpAddr};

use serde::{Serialize, Serializer, ser::SerializeStruct};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tower_refresh_core::{SessionBinding, SessionHandle, SessionRow, Timestamp};

const SECONDS_PER_HOUR: u64 = 60 * 60;

/// A session: what the claims source receives, and an entry of the list of sessions.
///
/// Serialising it gives what `GET /auth/sessions` gives, without `current`: `handle`, `created_at`, `last_used_at`,
/// `user_agent`, `ip`, `device_bound`, and `label` if there is one. Times are strings of RFC 3339. The [data](Self::data) is not serialised.
#[derive(Clone)]
pub struct SessionInfo {
    row: SessionRow,
    last_used_at: Timestamp,
}

impl SessionInfo {
    pub(crate) fn new(row: SessionRow) -> Self {
        let rotated_at = row.rotated_at.as_secs();
        Self { last_used_at: Timestamp::from_secs(rotated_at - rotated_at % SECONDS_PER_HOUR), row }
    }

    /// The session of the request itself, which is in use.
    pub(crate) fn used_now(self, now: Timestamp) -> Self {
        Self { last_used_at: now, ..self }
    }

    /// The handle, which [`Auth::end_session`](crate::Auth::end_session) takes.
    pub fn handle(&self) -> SessionHandle {
        self.row.handle
    }

    /// When the user logged in.
    pub fn created_at(&self) -> Timestamp {
        self.row.created_at
    }

    /// When the session was last used: the last rotation of its refresh token, rounded down to the hour, which can be before the
    /// login; in a [list](crate::Session::list), for the session of the request itself, the time of the request.
    ///
    /// The exact time would help a thief: one who polls the list with a stolen access token could use a stolen refresh token
    /// just after each rotation, within the grace period, and stay unnoticed.
    pub fn last_used_at(&self) -> Timestamp {
        self.last_used_at
    }

    /// When the session expires if it is not used again. Do not show it to clients: it reveals the exact time of the last rotation.
    pub fn expires_at(&self) -> Timestamp {
        self.row.expires_at()
    }

    /// The `User-Agent` at login, cut to 256 bytes.
    pub fn user_agent(&self) -> Option<&str> {
        self.row.meta.user_agent.as_deref()
    }

    /// The client's address at login, from [`AuthBuilder::client_ip`](crate::AuthBuilder::client_ip).
    pub fn ip(&self) -> Option<IpAddr> {
        self.row.meta.ip
    }

    /// Whether the session is bound to a device: the device has given a proof since it registered its key.
    pub fn device_bound(&self) -> bool {
        self.row.binding.as_ref().is_some_and(SessionBinding::is_confirmed)
    }

    /// The name that the application gave the session.
    pub fn label(&self) -> Option<&str> {
        self.row.meta.label.as_deref()
    }

    /// The bytes that the application passed at login.
    pub fn data(&self) -> &[u8] {
        &self.row.data
    }
}

impl Serialize for SessionInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = 6 + usize::from(self.label().is_some());
        let mut info = serializer.serialize_struct("SessionInfo", fields)?;
        info.serialize_field("handle", &self.handle().to_string())?;
        info.serialize_field("created_at", &rfc3339(self.created_at()))?;
        info.serialize_field("last_used_at", &rfc3339(self.last_used_at()))?;
        info.serialize_field("user_agent", &self.user_agent())?;
        info.serialize_field("ip", &self.ip().map(|ip| ip.to_string()))?;
        info.serialize_field("device_bound", &self.device_bound())?;
        match self.label() {
            Some(label) => info.serialize_field("label", label)?,
            None => info.skip_field("label")?,
        }
        info.end()
    }
}

fn rfc3339(time: Timestamp) -> String {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|secs| OffsetDateTime::from_unix_timestamp(secs).ok())
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default()
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
            .field("device_bound", &self.device_bound())
            .field("label", &self.label())
            .finish_non_exhaustive()
    }
}
