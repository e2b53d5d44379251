//! Logging out, and ending other sessions.

use tower_refresh_core::{EndReason, SessionHandle, Subject};

use super::Session;
use crate::{CustomClaims, RejectionKind, rejection::Rejection, state::Change};

impl<C: CustomClaims> Session<C> {
    /// Ends the session of the client and removes its cookies: the session of the refresh token, whatever its generation and
    /// although it has expired, and that of the access token. It succeeds for an anonymous request as well. A
    /// [reauthentication](Self::reauthenticate) that the same client has begun before may still log it in again under a new session id.
    ///
    /// # Errors
    /// [`RejectionKind::CrossSite`] for a request from another site; [`RejectionKind::Unavailable`] if the store fails: then no
    /// cookie is removed, so that the user can try again; [`RejectionKind::Sealed`].
    ///
    /// # Cancel safety
    /// Once polled, the session is ended although the future is dropped, with the feature `tokio` and inside a runtime.
    pub async fn logout(&self) -> Result<(), Rejection> {
        self.check_writable_without_cookies()?;
        for session in self.client_sessions()? {
            self.end_session(session, self.state.subject_of(session)).await?;
        }
        self.state.set_change(Change::LoggedOut)
    }

    /// Ends every session of the logged-in user, and removes the client's cookies. Returns the number of sessions that it ended.
    ///
    /// # Errors
    /// As [`logout`](Self::logout), and as for a route that needs a user.
    ///
    /// # Cancel safety
    /// As [`logout`](Self::logout).
    pub async fn logout_everywhere(&self) -> Result<usize, Rejection> {
        let ended = self.end_all_except(None).await?;
        self.logout().await?;
        Ok(ended)
    }

    /// Ends every session of the logged-in user except this one. Returns the number of sessions that it ended.
    ///
    /// # Errors
    /// As [`logout_everywhere`](Self::logout_everywhere).
    ///
    /// # Cancel safety
    /// As [`logout`](Self::logout).
    pub async fn logout_others(&self) -> Result<usize, Rejection> {
        self.end_all_except(self.current()).await
    }

    /// Ends one session of the logged-in user, from the [list](Self::list). If it is this one, its cookies are removed.
    ///
    /// # Errors
    /// [`RejectionKind::SessionNotFound`] if the user has no such live session; otherwise as
    /// [`logout_everywhere`](Self::logout_everywhere).
    ///
    /// # Cancel safety
    /// As [`logout`](Self::logout).
    pub async fn end(&self, session: SessionHandle) -> Result<(), Rejection> {
        self.check_writable_without_cookies()?;
        let (subject, _) = self.acting_user()?;
        let sessions = self.state.auth.sessions();
        let Ok(row) =
            sessions.store.load(session, self.state.subject_of(session).as_ref(), &self.client()).await
        else {
            return Err(self.reject(RejectionKind::Unavailable));
        };
        let now = sessions.now();
        row.filter(|row| row.subject == subject && row.is_live(now))
            .ok_or_else(|| self.reject(RejectionKind::SessionNotFound))?;
        if self.client_sessions()?.contains(&session) {
            return self.logout().await;
        }
        // A session that ended meanwhile may go on under a new id, after a reauthentication: the caller looks at the list again.
        let was_live = self.end_session(session, Some(subject)).await?;
        if was_live { Ok(()) } else { Err(self.reject(RejectionKind::SessionNotFound)) }
    }

    /// Ends the session whose handle is `text`, as [`end`](Self::end). A malformed handle is that of no session.
    #[cfg(feature = "axum")]
    pub(crate) async fn end_named(&self, text: &str) -> Result<(), Rejection> {
        self.acting_user()?;
        let session = text.parse().map_err(|_| self.reject(RejectionKind::SessionNotFound))?;
        self.end(session).await
    }

    async fn end_all_except(&self, except: Option<SessionHandle>) -> Result<usize, Rejection> {
        self.check_writable_without_cookies()?;
        let (subject, _) = self.acting_user()?;
        let sessions = self.state.auth.sessions();
        match sessions.end_subject(subject, except, EndReason::Logout, &self.client()).await {
            Ok(ended) => Ok(ended.len()),
            Err(_) => Err(self.reject(RejectionKind::Unavailable)),
        }
    }

    /// Returns whether it was live until now.
    async fn end_session(&self, session: SessionHandle, subject: Option<Subject>) -> Result<bool, Rejection> {
        let sessions = self.state.auth.sessions();
        let ended = sessions.end(session, subject, EndReason::Logout, &self.client()).await;
        ended.map_err(|_| self.reject(RejectionKind::Unavailable))
    }
}
