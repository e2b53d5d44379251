//! The sessions of the logged-in user.

use tower_refresh_core::SessionHandle;

use super::Session;
#[cfg(feature = "axum")]
use crate::native::urlencoded_pairs;
use crate::{CustomClaims, RejectionKind, SessionInfo, SessionPage, rejection::Rejection};

impl<C: CustomClaims> Session<C> {
    /// A page of the live sessions of the logged-in user, newest login first. The first page if `after` is `None`, else the page
    /// after this session of the user, which may have ended since.
    ///
    /// Unlike `GET /auth/sessions` it sets no caching header, and does not mark the [`current`](Self::current) session, which can
    /// be on any page.
    ///
    /// # Errors
    /// As for a route that needs a user; [`RejectionKind::SessionNotFound`] if the user has no session `after`;
    /// [`RejectionKind::Unavailable`] if the store fails.
    pub async fn list(&self, after: Option<SessionHandle>) -> Result<SessionPage, Rejection> {
        let (subject, current) = self.acting_user()?;
        let sessions = self.state.auth.sessions();
        let page = sessions.list(&subject, after, &self.client()).await;
        let page = page.map_err(|_| self.reject(RejectionKind::Unavailable))?;
        let page = page.ok_or_else(|| self.reject(RejectionKind::SessionNotFound))?;
        let now = sessions.now();
        Ok(page.map(|info| if info.handle() == current { info.used_now(now) } else { info }))
    }

    /// The session of this request: the one that the handler has started, or else the logged-in user's, as the store has it now.
    ///
    /// # Errors
    /// As for a route that needs a user; [`RejectionKind::Unauthenticated`] if the session has ended meanwhile;
    /// [`RejectionKind::Unavailable`] if the store fails.
    pub async fn info(&self) -> Result<SessionInfo, Rejection> {
        let (subject, session) = self.acting_user()?;
        let sessions = self.state.auth.sessions();
        let row = sessions.store.load(session, Some(&subject), &self.client()).await;
        let row = row.map_err(|_| self.reject(RejectionKind::Unavailable))?;
        let now = sessions.now();
        let row =
            row.filter(|row| row.subject == subject && row.is_live(now) && !sessions.is_denied(session));
        let row = row.ok_or_else(|| self.reject(RejectionKind::Unauthenticated))?;
        Ok(SessionInfo::new(row).used_now(now))
    }

    /// As [`list`](Self::list), with the parameter `after` of a query string. Other parameters are ignored.
    #[cfg(feature = "axum")]
    pub(crate) async fn list_for(&self, query: &str) -> Result<SessionPage, Rejection> {
        self.acting_user()?;
        let after = after_in(query).map_err(|_| self.reject(RejectionKind::InvalidParameter))?;
        self.list(after).await
    }
}

/// The parameter `after`. Two of them are invalid: which one counts is ambiguous.
#[cfg(feature = "axum")]
fn after_in(query: &str) -> Result<Option<SessionHandle>, Invalid> {
    let mut after = None;
    for pair in urlencoded_pairs(query.as_bytes()) {
        let (name, value) = pair.ok_or(Invalid)?;
        if name == b"after" {
            let handle = str::from_utf8(&value).ok().and_then(|text| text.parse().ok()).ok_or(Invalid)?;
            if after.replace(handle).is_some() {
                return Err(Invalid);
            }
        }
    }
    Ok(after)
}

#[cfg(feature = "axum")]
struct Invalid;
