//! Ending the sessions that a login leaves no room for.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use futures_util::{
    FutureExt,
    future::{BoxFuture, try_join_all},
};
use tower_refresh_core::{
    EndReason, Page, SessionHandle, SessionRow, StoreError, StoreErrorKind, Subject, Timestamp,
};

use super::Sessions;
use crate::event::{About, ClientInfo, EventKind};

/// How many sessions may stay beside a new one, and how many are ended at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    others: usize,
    most_ended: usize,
    /// Whether the login fails if others than these may be left.
    is_required: bool,
}

const PAGE: usize = 100;

/// How often the sessions are listed again because one of them ended meanwhile. A reauthentication ends a session once it has stored
/// the one that continues it, which is not in the list yet. More of them in a row than this are no accident of one client.
const MOST_ROUNDS: usize = 8;

/// Store calls at the same time, which stores with a server of their own group into few.
const AT_ONCE: usize = 32;

impl Room {
    /// All other sessions are ended, however many.
    pub(crate) const NONE: Self = Self { others: 0, most_ended: usize::MAX, is_required: true };

    /// For at most `sessions` with the new one. A login ends a thousand, so that it needs little time where there were more before
    /// the limit was set: later logins end the rest.
    pub(crate) fn for_at_most(sessions: usize) -> Self {
        Self { others: sessions.saturating_sub(1), most_ended: 1000, is_required: false }
    }
}

impl<C: Send + Sync + 'static> Sessions<C> {
    /// Ends live sessions of the subject of `new` that started before it, those that were used least recently first, until there is
    /// room; those in `former` are ended otherwise, and do not count.
    ///
    /// Later sessions are not looked at: of two logins at the same time, each with room for one, the later one stays. Otherwise both
    /// would end.
    ///
    /// A session that somebody else ended after it was listed may go on under a new id, so all are listed once more. If that happens
    /// in each round, a session is kept, which is reported.
    pub(crate) async fn displace(
        self: &Arc<Self>,
        new: &SessionRow,
        former: &[SessionHandle],
        room: Room,
        client: &ClientInfo,
    ) -> Result<(), StoreError> {
        let mut left = room.most_ended;
        for _ in 0..MOST_ROUNDS {
            if self.displace_listed(new, former, room.others, &mut left, client).await? {
                return Ok(());
            }
        }
        let about = About::client(client).session(Some(new.handle), Some(&new.subject));
        self.events.emit(EventKind::DisplacementIncomplete, about);
        if room.is_required {
            return Err(StoreError::with_source(
                StoreErrorKind::Unavailable,
                "sessions went on under new ids meanwhile",
            ));
        }
        Ok(())
    }

    /// One round. Returns whether each session that had to end was live until this call ended it.
    async fn displace_listed(
        self: &Arc<Self>,
        new: &SessionRow,
        former: &[SessionHandle],
        others: usize,
        left: &mut usize,
        client: &ClientInfo,
    ) -> Result<bool, StoreError> {
        let mut all_were_live = true;
        // The most recently used ones so far, the one of them that was used least recently on top.
        let mut recent = BinaryHeap::<Reverse<(Timestamp, SessionHandle)>>::new();
        let mut page = Page::after(new, PAGE);
        loop {
            let rows = self.store.list(&new.subject, self.now(), page, client).await?;
            let mut displaced = Vec::new();
            for row in rows.iter().filter(|row| !former.contains(&row.handle)) {
                recent.push(Reverse((row.rotated_at, row.handle)));
                if recent.len() > others
                    && let Some(Reverse((_, session))) = recent.pop()
                {
                    displaced.push(session);
                }
            }
            displaced.truncate(*left);
            *left -= displaced.len();
            for some in displaced.chunks(AT_ONCE) {
                let ends = some.iter().map(|session| self.displace_one(*session, &new.subject, client));
                all_were_live &= try_join_all(ends).await?.into_iter().all(|was_live| was_live);
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE && *left > 0 => page = Page::after(last, PAGE),
                _ => return Ok(all_were_live),
            }
        }
    }

    fn displace_one(
        self: &Arc<Self>,
        session: SessionHandle,
        subject: &Subject,
        client: &ClientInfo,
    ) -> BoxFuture<'static, Result<bool, StoreError>> {
        let (sessions, subject, client) = (self.clone(), subject.clone(), client.clone());
        async move { sessions.end(session, Some(subject), EndReason::Displaced, &client).await }.boxed()
    }
}
