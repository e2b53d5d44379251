//! Outdating the claims of sessions, so that their access tokens count as expired, and are refreshed with claims of now.

use std::{num::NonZeroU32, sync::Arc};

use futures_util::future::join_all;
use tower_refresh_core::{Page, SessionHandle, SessionRow, StoreError, Subject};

use super::{Sessions, denylist::Denied, spawn::spawn_detached};
use crate::{
    clock::MAX_CLOCK_SKEW,
    event::{About, ClientInfo, EventKind},
};

/// Calls of the store at the same time: enough that their latency is not what a subject with very many sessions waits for, and
/// few enough that the other requests do not wait for them.
const CONCURRENT: usize = 32;

/// Rows in memory at the same time.
const PER_PAGE: usize = 4 * CONCURRENT;

/// How often the sessions are listed again because one of them ended meanwhile: a reauthentication ends a session once it has stored
/// the one that continues it, which is not in the list yet.
const MOST_ROUNDS: usize = 8;

/// More lost writes of one session than a failover explains. What the feed reports may be forged, so there is a bound.
const MOST_REPETITIONS: usize = 4;

impl<C: Send + Sync + 'static> Sessions<C> {
    /// Outdates the claims of a session that has not ended. After the store has acknowledged it, this server takes the session's
    /// access tokens from before as expired. The work completes although the request is dropped, if there is a runtime to complete
    /// it on.
    ///
    /// Returns whether there is such a session.
    pub(crate) async fn reload_session(self: &Arc<Self>, session: SessionHandle) -> Result<bool, StoreError> {
        let sessions = self.clone();
        spawn_detached(async move { sessions.outdate(session, None).await }).await
    }

    /// Outdates the claims of every live session of `subject`, as [`reload_session`](Self::reload_session). Returns their number.
    pub(crate) async fn reload_subject(self: &Arc<Self>, subject: Subject) -> Result<usize, StoreError> {
        let sessions = self.clone();
        spawn_detached(async move {
            let mut count = 0;
            for _ in 0..MOST_ROUNDS {
                let listed;
                (count, listed) = sessions.outdate_listed(&subject).await?;
                if count == listed {
                    break;
                }
            }
            Ok(count)
        })
        .await
    }

    /// Returns how many sessions were outdated, and how many were listed. The others ended meanwhile, and may go on under a new id.
    async fn outdate_listed(&self, subject: &Subject) -> Result<(usize, usize), StoreError> {
        let (mut count, mut listed) = (0, 0);
        let mut page = Page::first(PER_PAGE);
        loop {
            // A session that has just expired by this clock may be live by another server's.
            let now = self.now().saturating_sub(MAX_CLOCK_SKEW);
            let rows = self.store.list(subject, now, page, ClientInfo::NONE).await?;
            listed += rows.len();
            for rows in rows.chunks(CONCURRENT) {
                count += self.outdate_all(rows).await?;
            }
            match rows.last() {
                Some(last) if rows.len() == PER_PAGE => page = Page::after(last, PER_PAGE),
                _ => return Ok((count, listed)),
            }
        }
    }

    /// Outdates the claims of `new`, which continues the session of `former`, if those of `former` were outdated meanwhile: the
    /// claims of `new` may be from before. To be called after `former` has ended, since then nothing outdates it any more.
    ///
    /// If the store fails, they are outdated on this server, whose response then carries no access token.
    pub(crate) async fn outdate_successor(
        self: &Arc<Self>,
        former: &SessionRow,
        new: &SessionRow,
        client: &ClientInfo,
    ) {
        let row = self.store.load(former.handle, Some(&former.subject), client).await;
        if matches!(&row, Ok(Some(row)) if row.claims_epoch <= new.claims_epoch) {
            return;
        }
        if self.reload_session(new.handle).await.is_err() {
            let denied = Denied::EpochsBelow(NonZeroU32::MIN.saturating_add(new.claims_epoch));
            self.revocations.deny(new.handle, denied);
        }
    }

    /// All at the same time. Those that were started are completed before an error is returned, so that what the store has
    /// acknowledged is known here.
    async fn outdate_all(&self, rows: &[SessionRow]) -> Result<usize, StoreError> {
        let calls = rows.iter().map(|row| self.outdate(row.handle, Some(&row.subject)));
        let mut count = 0;
        for outdated in join_all(calls).await {
            count += usize::from(outdated?);
        }
        Ok(count)
    }

    async fn outdate(&self, session: SessionHandle, subject: Option<&Subject>) -> Result<bool, StoreError> {
        let known = self.least_epoch(session);
        let mut outdated = None;
        for _ in 0..MOST_REPETITIONS {
            let now = self.now();
            outdated = self.store.outdate_claims(session, subject, now, ClientInfo::NONE).await?;
            // A store that lost a write repeats an epoch, of which there are access tokens already.
            if outdated.is_none_or(|epoch| epoch > known) {
                break;
            }
        }
        let Some(epoch) = outdated else { return Ok(false) };
        if let Some(epoch) = NonZeroU32::new(epoch) {
            let denied = Denied::EpochsBelow(epoch);
            self.revocations.deny(session, denied);
        }
        let about = About::client(ClientInfo::NONE).session(Some(session), subject);
        self.events.emit(EventKind::ClaimsOutdated, about);
        Ok(true)
    }
}
