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
        let (sessions, client) = (self.clone(), client.clone());
        spawn_detached(async move {
            let ended =
                sessions.store.end(session, subject.as_ref(), reason, sessions.now(), &client).await?;
            sessions.revocations.deny(session, Denied::All);
            if ended {
                let about = About::client(&client).session(Some(session), subject.as_ref());
                sessions.events.emit(EventKind::End(reason), about);
            }
            Ok(ended)
        })
        .await
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
                        let about = About::client(&client).session(Some(*session), Some(&subject));
                        sessions.events.emit(EventKind::End(reason), about);
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
