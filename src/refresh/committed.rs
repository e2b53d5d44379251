//! A commit that is stored, and the tokens that it sends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tower_refresh_core::{
    SessionRow, Timestamp,
    rotation::{Rule, TokenClass, commit as decide},
};

use crate::{
    CustomClaims,
    claims::User,
    event::{About, ClientInfo, EventKind},
    keys::PreparedKeys,
    refresh_token::RefreshToken,
    sessions::{Reading, Sessions},
    tokens::{Issued, IssuedAccess, IssuedRefresh, PreparedUser, Tokens},
};

/// A commit that is stored. The requests that share it share its tokens.
///
/// They need not share a load: the access token has the newest claims that any of them had loaded when it was issued, so that no
/// request undoes the change of a role for which it was loaded.
pub(super) struct Committed<C> {
    row: SessionRow,
    now: Timestamp,
    keys: Arc<PreparedKeys>,
    refresh: Option<Arc<IssuedRefresh>>,
    /// The epoch under which the claims could not be loaded.
    failed_under: Option<u32>,
    /// Before the row was read or written.
    reading: Reading,
    newest: Mutex<Option<IssuedTo<C>>>,
}

struct IssuedTo<C> {
    user: PreparedUser<C>,
    /// `None` if signing failed.
    access: Option<Arc<IssuedAccess>>,
}

impl<C: CustomClaims> Committed<C> {
    pub(super) fn new(
        row: SessionRow,
        now: Timestamp,
        keys: Arc<PreparedKeys>,
        refresh: Option<Arc<IssuedRefresh>>,
        failed_under: Option<u32>,
        reading: Reading,
    ) -> Self {
        Self { row, now, keys, refresh, failed_under, reading, newest: Mutex::default() }
    }

    /// Whether r4 sends the tokens again to a request that shares the load of this commit. This server wrote or read the row, so
    /// no call of the store is needed.
    ///
    /// No other server can have rotated the session meanwhile: the damping interval exceeds the grace period by more than clocks
    /// differ. It may have ended it, which the denylist shows, or the store where it must be asked because the feed is lost. The row
    /// is read again if this server has changed a session otherwise since: the claims may be those of former data, or the session may have
    /// become one that requires proofs of its device.
    pub(super) fn is_due_again(
        &self,
        sessions: &Sessions<C>,
        token: &RefreshToken,
        class: TokenClass,
    ) -> bool {
        let attempt = sessions.attempt(Some(&self.row), token, sessions.now());
        let decision = decide(&attempt, class, &sessions.policy);
        decision.rule == Rule::Redeliver
            && !sessions.must_ask_store()
            && sessions.is_unchanged_since(self.reading)
    }

    /// The tokens with the claims of `user`, or newer ones. Without a user, those that were issued already. Without an access token
    /// if all these claims are outdated by now.
    pub(super) fn issue(
        &self,
        sessions: &Sessions<C>,
        tokens: &Tokens<C>,
        user: Option<&PreparedUser<C>>,
        client: &ClientInfo,
    ) -> Issued {
        let least_epoch = sessions.epoch_of(&self.row);
        let mut newest = self.lock();
        if let Some(user) = user.filter(|user| user.user.epoch >= least_epoch) {
            match &mut *newest {
                Some(issued) if !user.is_newer_than(&issued.user) => {}
                Some(issued) if user.has_claims_of(&issued.user) => issued.user = user.clone(),
                // They fit before, but perhaps with other keys.
                _ if tokens.check_len(&self.keys, user).is_err() => {}
                _ => {
                    let access = self.mint(sessions, tokens, user, client);
                    *newest = Some(IssuedTo { user: user.clone(), access });
                }
            }
        }
        let access = newest.as_ref().and_then(|issued| issued.access.clone());
        Issued { access, refresh: self.refresh.clone(), offer: None }.without_claims_below(least_epoch)
    }

    /// Whether an access token needs claims that none of the requests that share it has loaded. Not if loading them has failed.
    pub(super) fn lacks_claims(&self, sessions: &Sessions<C>) -> bool {
        let least_epoch = sessions.epoch_of(&self.row);
        match &*self.lock() {
            Some(issued) => issued.user.user.epoch < least_epoch,
            None => self.failed_under.is_none_or(|failed| failed < least_epoch),
        }
    }

    pub(super) fn row(&self) -> &SessionRow {
        &self.row
    }

    pub(super) fn reading(&self) -> Reading {
        self.reading
    }

    fn lock(&self) -> MutexGuard<'_, Option<IssuedTo<C>>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The user of the access token that was issued last.
    pub(super) fn user(&self) -> Option<Arc<User<C>>> {
        let newest = self.lock();
        newest.as_ref().filter(|newest| newest.access.is_some()).map(|newest| newest.user.user.clone())
    }

    fn mint(
        &self,
        sessions: &Sessions<C>,
        tokens: &Tokens<C>,
        user: &PreparedUser<C>,
        client: &ClientInfo,
    ) -> Option<Arc<IssuedAccess>> {
        match tokens.issue_access(&self.keys, user, &self.row, self.now) {
            Ok(access) => Some(access),
            Err(error) => {
                let about = About::client(client).session(Some(self.row.handle), Some(&self.row.subject));
                sessions.events.failed(EventKind::CryptoFailed, about, &error);
                None
            }
        }
    }
}
