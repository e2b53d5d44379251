//! What an event is about.

use tower_refresh_core::{SessionHandle, SessionRow, Subject, Timestamp};

use super::client::ClientInfo;

/// The session, the subject and the client of an event, as far as they are known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct About<'a> {
    pub(super) session: Option<SessionHandle>,
    pub(super) subject: Option<&'a Subject>,
    pub(super) rotated_at: Option<Timestamp>,
    pub(super) client: Option<&'a ClientInfo>,
}

impl<'a> About<'a> {
    /// A request of `client`.
    pub(crate) fn client(client: &'a ClientInfo) -> Self {
        Self { client: Some(client), ..Self::default() }
    }

    /// With the session and its subject, if they are known.
    pub(crate) fn session(self, session: Option<SessionHandle>, subject: Option<&'a Subject>) -> Self {
        Self { session, subject, ..self }
    }

    /// With the session of `row`, and the time since its last rotation.
    pub(crate) fn refresh_of(self, row: &'a SessionRow) -> Self {
        self.session(Some(row.handle), Some(&row.subject)).rotated_at(Some(row.rotated_at))
    }

    /// With the time of the last rotation, if it is known.
    pub(crate) fn rotated_at(self, rotated_at: Option<Timestamp>) -> Self {
        Self { rotated_at, ..self }
    }
}
