//! Logging out, and ending other sessions.

use tower_refresh_core::{EndReason, SessionHandle};

use super::Session;
use crate::{CustomClaims, RejectionKind, rejection::Rejection, state::Change};

impl<C: CustomClaims> Session<C> {
    /// Ends the session of this client and removes its cookies. The session is the one that the refresh token names by
    /// its MAC alone, of any generation and although it expired, and the access token's; nobody logged in is fine.
    ///
    /// # Errors
    /// [`RejectionKind::CrossSite`] for a request from another site; [`RejectionKind::Unavailable`] if the store fails:
    /// then it removes no cookie, so that the user can try again; [`RejectionKind::Sealed`].
    ///
    /// # Cancel safety
    /// Once polled, the end of the session goes on although this future is dropped, where the feature `tokio` is on and
    /// a runtime is there.
    pub async fn logout(&self) -> Result<(), Rejection> {
        self.writable()?;
        for session in self.held_sessions()? {
            self.end_held(session).await?;
        }
        self.state.set_change(Change::LoggedOut)
    }

    /// Ends every session of the logged-in user, and removes this client's cookies. Returns how many were ended.
    ///
    /// # Errors
    /// As [`logout`](Self::logout), and as for a route that needs a user.
    ///
    /// # Cancel safety
    /// As [`logout`](Self::logout).
    pub async fn logout_everywhere(&self) -> Result<usize, Rejection> {
        let ended = self.end_all_but(None).await?;
        self.logout().await?;
        Ok(ended)
    }

    /// Ends every session of the logged-in user but this one. Returns how many were ended.
    ///
    /// # Errors
    /// As [`logout_everywhere`](Self::logout_everywhere).
    ///
    /// # Cancel safety
    /// As [`logout`](Self::logout).
    pub async fn logout_others(&self) -> Result<usize, Rejection> {
        self.end_all_but(self.current()).await
    }

    /// Ends one session of the logged-in user, from the [list](Self::list). If it is this one, its cookies are removed.
    ///
    /// # Errors
    /// [`RejectionKind::SessionNotFound`] if it is no live session of this user; else as
    /// [`logout_everywhere`](Self::logout_everywhere).
    ///
    /// # Cancel safety
    /// As [`logout`](Self::logout).
    pub async fn end(&self, session: SessionHandle) -> Result<(), Rejection> {
        self.writable()?;
        let (subject, _) = self.acting()?;
        let shared = &self.state.shared;
        let row = match shared.store.load(session).await {
            Ok(row) => row,
            Err(error) => return Err(self.unavailable(shared.store_failed(session, Some(subject), error))),
        };
        let now = shared.now();
        row.filter(|row| row.subject == subject && row.is_live(now))
            .ok_or_else(|| self.reject(RejectionKind::SessionNotFound))?;
        if self.held_sessions()?.contains(&session) {
            return self.logout().await;
        }
        self.end_held(session).await
    }

    /// Ends the session that `text` names, as [`end`](Self::end). What is no handle names none.
    #[cfg(feature = "axum")]
    pub(crate) async fn end_named(&self, text: &str) -> Result<(), Rejection> {
        self.acting()?;
        let session = text.parse().map_err(|_| self.reject(RejectionKind::SessionNotFound))?;
        self.end(session).await
    }

    async fn end_all_but(&self, except: Option<SessionHandle>) -> Result<usize, Rejection> {
        self.writable()?;
        let (subject, session) = self.acting()?;
        let shared = &self.state.shared;
        match shared.end_subject(subject.clone(), except, EndReason::Logout).await {
            Ok(ended) => Ok(ended.len()),
            Err(error) => Err(self.unavailable(shared.store_failed(session, Some(subject), error))),
        }
    }

    async fn end_held(&self, session: SessionHandle) -> Result<(), Rejection> {
        let acting = self.acting().ok().filter(|(_, own)| *own == session);
        let subject = acting.map(|(subject, _)| subject);
        match self.state.shared.end(session, subject, EndReason::Logout).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.unavailable(error)),
        }
    }
}
