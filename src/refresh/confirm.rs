//! Asking the store about the session of a valid access token: while the feed is not received, and to replace a token that came from a
//! proof of the device, for which no refresh token is enough.

use std::sync::Arc;

use futures_util::FutureExt;
use tower_refresh_core::SessionRow;

use super::{
    dead::DeadSessions,
    error::RefreshError,
    inactive::Inactive,
    load::{Loaded, Mode, Reissued, subject_gone},
    loads::{Loading, Loads},
    user::load_user,
};
use crate::{
    CustomClaims,
    claims::User,
    event::{About, ClientInfo, EventKind},
    refresh_token::{RefreshToken, RefreshTransport},
    sessions::Sessions,
    tokens::{Issued, Tokens},
};

/// What is needed to ask the store.
pub(super) struct Confirmation<C> {
    pub(super) sessions: Arc<Sessions<C>>,
    pub(super) tokens: Arc<Tokens<C>>,
    pub(super) dead: Arc<DeadSessions>,
    pub(super) user: Arc<User<C>>,
    pub(super) mode: Mode,
    pub(super) client: ClientInfo,
}

impl<C: CustomClaims> Confirmation<C> {
    /// Whether the session is live, with the claims of the access token or, after a proof of the device, newer ones. If it is not, the
    /// refresh token decides.
    pub(super) fn or_load(self, loads: Loads<C>, token: Option<RefreshToken>) -> Loading<C> {
        let confirm_or_load = async move {
            let confirmed = self.confirm().await;
            match (&confirmed, token) {
                (Loaded::Inactive(_), Some(token)) => {
                    loads.join_or_start(&token, self.mode, &self.client).0.await
                }
                _ => Arc::new(confirmed),
            }
        };
        confirm_or_load.boxed().right_future()
    }

    async fn confirm(&self) -> Loaded<C> {
        let row = match self.live_row().await {
            Ok(row) => row,
            Err(loaded) => return loaded,
        };
        if self.user.epoch >= self.sessions.epoch_of(&row) {
            Loaded::SessionLive(self.user.clone())
        } else if self.user.is_device_bound && self.sessions.enforces_device_binding() {
            self.reissue_for(row).await
        } else {
            Loaded::Inactive(Inactive::ClaimsOutdated)
        }
    }

    /// An access token in place of the user's, which came from a proof of the device, with the claims as of now. It expires no later, so
    /// that a stolen one does not renew itself.
    pub(super) async fn reissue(&self) -> Loaded<C> {
        match self.live_row().await {
            Ok(row) => self.reissue_for(row).await,
            Err(loaded) => loaded,
        }
    }

    async fn reissue_for(&self, row: SessionRow) -> Loaded<C> {
        let Self { sessions, tokens, client, mode, .. } = self;
        let user = match load_user(sessions, tokens, &row, RefreshTransport::Cookie, client).await {
            Ok(Some(user)) => user.limited_to(self.user.expires_at).proven(),
            Ok(None) => return subject_gone(sessions, &row, *mode, client).await,
            Err(RefreshError::InvalidClaims(reason)) => return Loaded::InvalidClaims(reason),
            Err(_) => return Loaded::Unavailable,
        };
        let access = match tokens.issue_proven_access(&tokens.keys(), &user, &row, sessions.now()) {
            Ok(access) => Some(access),
            Err(error) => {
                let about = About::client(client).session(Some(row.handle), Some(&row.subject));
                sessions.events.failed(EventKind::CryptoFailed, about, &error);
                None
            }
        };
        let issued = Issued { access, ..Issued::default() };
        Loaded::Reissued(Box::new(Reissued { user: user.user, issued }))
    }

    /// The row of the session, if it is live.
    async fn live_row(&self) -> Result<SessionRow, Loaded<C>> {
        let Self { sessions, dead, user, client, .. } = self;
        if let Some(inactive) = dead.find(user.session, sessions.now()) {
            return Err(Loaded::Inactive(inactive));
        }
        match sessions.store.load(user.session, Some(&user.subject), client).await {
            Ok(Some(row)) if row.is_live(sessions.now()) => Ok(row),
            Ok(row) => {
                Err(Loaded::Inactive(dead.remember_if_final(user.session, row.as_ref(), sessions.now())))
            }
            Err(_) => Err(Loaded::Unavailable),
        }
    }
}
