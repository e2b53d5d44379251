//! The sessions of a subject, in pages.

use std::{ops::Deref, slice, vec};

use tower_refresh_core::{Page, SessionHandle, StoreError, Subject};

use super::Sessions;
use crate::{SessionInfo, event::ClientInfo};

/// A page of the live sessions of a subject, newest login first.
///
/// It has at most 100 sessions ([`MAX_LEN`](Self::MAX_LEN)), so that neither the request nor its response grows with the number of
/// sessions. If there are more, [`next`](Self::next) is the session after which the next page begins:
///
/// ```
/// use tower_refresh::{Auth, store::StoreError};
///
/// async fn count_firefox(auth: &Auth<()>, subject: &str) -> Result<usize, StoreError> {
///     let (mut count, mut after) = (0, None);
///     loop {
///         let page = auth.sessions(subject, after).await?;
///         count += page
///             .iter()
///             .filter(|session| session.user_agent().is_some_and(|agent| agent.contains("Firefox")))
///             .count();
///         match page.next() {
///             Some(next) => after = Some(next),
///             None => return Ok(count),
///         }
///     }
/// }
/// ```
///
/// No session is repeated or skipped, even among logins in the same millisecond. A session that starts meanwhile is on none of
/// the later pages, and one that ends meanwhile is omitted.
#[derive(Clone, Debug)]
pub struct SessionPage {
    sessions: Vec<SessionInfo>,
    has_next: bool,
}

impl SessionPage {
    /// The maximum number of sessions of a page: more than a user reads. The JSON of a page has about 130 KB at most.
    pub const MAX_LEN: usize = 100;

    /// The last session of this page, if another page begins after it.
    pub fn next(&self) -> Option<SessionHandle> {
        self.sessions.last().filter(|_| self.has_next).map(SessionInfo::handle)
    }

    pub(crate) fn empty() -> Self {
        Self { sessions: Vec::new(), has_next: false }
    }

    pub(crate) fn map(self, info: impl FnMut(SessionInfo) -> SessionInfo) -> Self {
        Self { sessions: self.sessions.into_iter().map(info).collect(), ..self }
    }
}

impl Deref for SessionPage {
    type Target = [SessionInfo];

    fn deref(&self) -> &[SessionInfo] {
        &self.sessions
    }
}

impl IntoIterator for SessionPage {
    type Item = SessionInfo;
    type IntoIter = vec::IntoIter<SessionInfo>;

    fn into_iter(self) -> Self::IntoIter {
        self.sessions.into_iter()
    }
}

impl<'a> IntoIterator for &'a SessionPage {
    type Item = &'a SessionInfo;
    type IntoIter = slice::Iter<'a, SessionInfo>;

    fn into_iter(self) -> Self::IntoIter {
        self.sessions.iter()
    }
}

impl<C: Send + Sync + 'static> Sessions<C> {
    /// The page after the session `after` of `subject`, which may have ended since. `None` if `subject` has no such session.
    pub(crate) async fn list(
        &self,
        subject: &Subject,
        after: Option<SessionHandle>,
        client: &ClientInfo,
    ) -> Result<Option<SessionPage>, StoreError> {
        // One more than is returned, to know whether there is another page.
        const LIMIT: usize = SessionPage::MAX_LEN + 1;
        let page = match after {
            None => Page::first(LIMIT),
            Some(after) => match self.store.load(after, Some(subject), client).await? {
                Some(row) if row.subject == *subject => Page::after(&row, LIMIT),
                _ => return Ok(None),
            },
        };
        let mut rows = self.store.list(subject, self.now(), page, client).await?;
        let has_next = rows.len() == LIMIT;
        rows.truncate(SessionPage::MAX_LEN);
        Ok(Some(SessionPage { sessions: rows.into_iter().map(SessionInfo::new).collect(), has_next }))
    }
}
