//! A refresh, as the application assesses it.

use std::{fmt, net::IpAddr};

use tower_refresh_core::{SessionRow, Subject, Timestamp, rotation::TokenClass};

use crate::{claims::SessionInfo, event::ClientInfo};

/// A request that presents a valid refresh token of a live session: what
/// [`AuthBuilder::assess`](crate::AuthBuilder::assess) decides about.
pub struct RefreshAttempt<'a> {
    subject: &'a Subject,
    session: SessionInfo,
    class: TokenClass,
    at: Timestamp,
    rotated_at: Timestamp,
    ip: Option<IpAddr>,
    user_agent: Option<String>,
}

impl<'a> RefreshAttempt<'a> {
    pub(super) fn new(row: &'a SessionRow, class: TokenClass, at: Timestamp, client: &ClientInfo) -> Self {
        Self {
            subject: &row.subject,
            session: SessionInfo::new(row.clone()),
            class,
            at,
            rotated_at: row.rotated_at,
            ip: client.ip,
            user_agent: client.displayable_user_agent(),
        }
    }

    /// The subject of the session.
    pub fn subject(&self) -> &Subject {
        self.subject
    }

    /// The session: address, `User-Agent`, label and data are those of its login.
    pub fn session(&self) -> &SessionInfo {
        &self.session
    }

    /// The class of the refresh token. Only classes that are accepted are assessed. A token
    /// [ahead](TokenClass::Ahead) of the store is current once the lost rotation is restored, which happens before.
    pub fn class(&self) -> TokenClass {
        self.class
    }

    /// The time of this request.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The exact time of the last rotation, or else of the login. Do not show it to clients, as for
    /// [`SessionInfo::last_used_at`].
    pub fn rotated_at(&self) -> Timestamp {
        self.rotated_at
    }

    /// The client's address in this request, from [`AuthBuilder::client_ip`](crate::AuthBuilder::client_ip). `None` without that
    /// setting, and for [`Auth::refresh_native`](crate::Auth::refresh_native) and
    /// [`refresh_token_grant`](crate::Auth::refresh_token_grant), which know no request.
    pub fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    /// The `User-Agent` of this request, without control characters and cut to 256 bytes as that of
    /// [the login](SessionInfo::user_agent), so that the two can be compared. `None` without one, and where
    /// [`ip`](Self::ip) has no request.
    pub fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }
}

impl fmt::Debug for RefreshAttempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshAttempt")
            .field("subject", &self.subject)
            .field("session", &self.session)
            .field("class", &self.class)
            .field("at", &self.at)
            .field("rotated_at", &self.rotated_at)
            .field("ip", &self.ip)
            .field("user_agent", &self.user_agent)
            .finish()
    }
}
