//! Ending sessions.

use std::sync::Arc;

use tower_refresh_core::{EndReason, Page, SessionHandle, StoreError, StoreErrorKind, Subject, Timestamp};

use super::{Sessions, denylist::Denied, spawn::spawn_detached};
use crate::event::{About, ClientInfo, EventKind};

/// How often the sessions of a subject are ended again because some of them went on under new ids meanwhile.
const MOST_ROUNDS: usize = 8;

impl<C: Send + Sync + 'static> Sessions<C> {
    /// Ends one session permanently. After the store has acknowledged it, this server rejects the session's access tokens. The
    /// work completes although the request is dropped, if there is a runtime to complete it on.
    ///
    /// Returns whether this call ended it.
    pub(crate) async fn end(
        self: &Arc<Self>,
        session: SessionHandle,
        subject: Option<Subject>,
        reason: EndReason,
        client: &ClientInfo,
    ) -> Result<bool, StoreError> {
        self.end_as(session, subject, reason, None, client).await
    }

    /// Ends the session that another one continues, as [`end`](Self::end), with the version of this write. If the store fails, the
    /// row shows whether this call ended the session all the same: then the user would be logged out without the other one.
    pub(crate) async fn supersede(
        self: &Arc<Self>,
        session: SessionHandle,
        subject: Option<Subject>,
        version: u64,
        client: &ClientInfo,
    ) -> Result<bool, StoreError> {
        let reason = EndReason::Superseded;
        let ended = self.end_as(session, subject.clone(), reason, Some(version), client).await;
        let Err(error) = ended else { return ended };
        let Ok(Some(row)) = self.store.load(session, subject.as_ref(), client).await else {
            return Err(error);
        };
        let Some(ended) = row.ended else { return Err(error) };
        self.deny_ended(session, ended.at);
        let is_ours = row.version == version;
        if is_ours {
            self.report_end(session, subject.as_ref(), reason, client);
        }
        Ok(is_ours)
    }

    async fn end_as(
        self: &Arc<Self>,
        session: SessionHandle,
        subject: Option<Subject>,
        reason: EndReason,
        version: Option<u64>,
        client: &ClientInfo,
    ) -> Result<bool, StoreError> {
        let (sessions, client) = (self.clone(), client.clone());
        spawn_detached(async move {
            let now = sessions.now();
            let ended = sessions.store.end(session, subject.as_ref(), reason, version, now, &client).await?;
            sessions.revocations.deny(session, Denied::All);
            if ended {
                sessions.report_end(session, subject.as_ref(), reason, &client);
            }
            Ok(ended)
        })
        .await
    }

    fn report_end(
        &self,
        session: SessionHandle,
        subject: Option<&Subject>,
        reason: EndReason,
        client: &ClientInfo,
    ) {
        self.events.emit(EventKind::End(reason), About::client(client).session(Some(session), subject));
    }

    /// Ends every session of `subject` but `except`, as [`end`](Self::end) does. Returns those that it ended.
    ///
    /// A reauthentication that is in progress ends a session once it has stored the one that continues it, which the store may not
    /// have looked at. So it looks again whether one is left from before this call.
    pub(crate) async fn end_subject(
        self: &Arc<Self>,
        subject: Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        client: &ClientInfo,
    ) -> Result<Vec<SessionHandle>, StoreError> {
        let (sessions, client) = (self.clone(), client.clone());
        spawn_detached(async move {
            let begun = sessions.now();
            let mut all = Vec::new();
            for _ in 0..MOST_ROUNDS {
                loop {
                    let now = sessions.now();
                    let ended = sessions.store.end_subject(&subject, except, reason, now, &client).await?;
                    if ended.is_empty() {
                        break;
                    }
                    for session in &ended {
                        sessions.revocations.deny(*session, Denied::All);
                        sessions.report_end(*session, Some(&subject), reason, &client);
                    }
                    all.extend(ended);
                }
                if !sessions.is_one_left(&subject, except, begun, &client).await? {
                    return Ok(all);
                }
            }
            Err(StoreError::with_source(
                StoreErrorKind::Unavailable,
                "sessions went on under new ids meanwhile",
            ))
        })
        .await
    }

    /// Whether `subject` has a live session that began at `begun` or before, other than `except`.
    async fn is_one_left(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        begun: Timestamp,
        client: &ClientInfo,
    ) -> Result<bool, StoreError> {
        let mut page = Page::first(2);
        page.after = Some((begun, SessionHandle::from_bytes([u8::MAX; 16])));
        let rows = self.store.list(subject, self.now(), page, client).await?;
        Ok(rows.iter().any(|row| Some(row.handle) != except))
    }
}
