//! A commit that is stored, and the tokens that it sends.

use std::sync::{Arc, Mutex, PoisonError};

use tower_refresh_core::{SessionRow, Timestamp};

use super::load::Live;
use crate::{
    CustomClaims,
    event::EventKind,
    keys::PreparedKeys,
    sessions::Sessions,
    tokens::{Issued, IssuedAccess, IssuedRefresh, PreparedUser, Tokens},
};

/// A commit that is stored. The requests that share it share its tokens.
///
/// They need not share a load: the access token has the newest claims that any of them had loaded when it was issued, so that no
/// request undoes the change of a role for which it was loaded.
pub(super) struct Committed<C> {
    row: Box<SessionRow>,
    now: Timestamp,
    keys: Arc<PreparedKeys>,
    refresh: Option<IssuedRefresh>,
    newest: Mutex<Option<IssuedTo<C>>>,
}

struct IssuedTo<C> {
    user: PreparedUser<C>,
    /// `None` if signing failed.
    access: Option<IssuedAccess>,
}

impl<C: CustomClaims> Committed<C> {
    pub(super) fn new(
        row: Box<SessionRow>,
        now: Timestamp,
        keys: Arc<PreparedKeys>,
        refresh: Option<IssuedRefresh>,
    ) -> Self {
        Self { row, now, keys, refresh, newest: Mutex::default() }
    }

    /// The tokens for a request with this load.
    pub(super) fn issued_to(&self, sessions: &Sessions<C>, tokens: &Tokens<C>, live: &Live<C>) -> Issued {
        let is_usable = !live.has_outdated_claims(sessions);
        self.issue(sessions, tokens, is_usable.then_some(&live.user))
    }

    /// The tokens with the claims of `user`, or newer ones. Without a user, those that were issued already.
    pub(super) fn issue(
        &self,
        sessions: &Sessions<C>,
        tokens: &Tokens<C>,
        user: Option<&PreparedUser<C>>,
    ) -> Issued {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(user) = user {
            match &mut *newest {
                Some(issued) if !user.is_newer_than(&issued.user) => {}
                Some(issued) if user.has_claims_of(&issued.user) => issued.user = user.clone(),
                // They fit before, but perhaps with other keys.
                _ if tokens.check_len(&self.keys, user).is_err() => {}
                _ => {
                    let access = self.mint(sessions, tokens, user);
                    *newest = Some(IssuedTo { user: user.clone(), access });
                }
            }
        }
        let access = newest.as_ref().and_then(|issued| issued.access.clone());
        Issued { access, refresh: self.refresh.clone() }
    }

    fn mint(
        &self,
        sessions: &Sessions<C>,
        tokens: &Tokens<C>,
        user: &PreparedUser<C>,
    ) -> Option<IssuedAccess> {
        match tokens.issue_access(&self.keys, user, &self.row, self.now) {
            Ok(access) => Some(access),
            Err(error) => {
                let (session, subject) = (Some(self.row.handle), Some(&self.row.subject));
                sessions.events.failed(EventKind::CryptoFailed, session, subject, &error);
                None
            }
        }
    }
}
