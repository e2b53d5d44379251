//! Steps 4 and 5: the refresh, as a load and a commit.
//!
//! The load decides who the user is, before the inner service is called. The commit decides which tokens are sent, when the
//! response head is ready. The handler runs in between, however slowly, and nothing is spent before the commit.

mod commit;
mod commits;
mod committed;
mod confirm;
mod error;
mod load;
mod loads;
mod single_flight;

use std::{fmt, sync::Arc};

use self::{
    commit::{commit, finish},
    commits::Commits,
    load::reload_claims,
    loads::Loads,
};
pub(crate) use self::{
    commits::Committing,
    error::RefreshError,
    load::{Inactive, Live, Loaded, Mode},
    loads::Loading,
};
use crate::{
    CustomClaims,
    claims::User,
    refresh_token::RefreshToken,
    sessions::Sessions,
    tokens::{Issued, Tokens},
};

/// Refreshes sessions.
pub(crate) struct Refresher<C> {
    pub(crate) sessions: Arc<Sessions<C>>,
    pub(crate) tokens: Arc<Tokens<C>>,
    loads: Loads<C>,
    commits: Commits<C>,
}

impl<C: CustomClaims> Refresher<C> {
    pub(crate) fn new(sessions: Arc<Sessions<C>>, tokens: Arc<Tokens<C>>) -> Self {
        Self {
            loads: Loads::new(sessions.clone()),
            commits: Commits::new(sessions.clone(), tokens.clone()),
            sessions,
            tokens,
        }
    }

    /// Loads the session of `token`, together with concurrent requests that present the same token.
    pub(crate) fn load(&self, token: &RefreshToken, mode: Mode) -> Loading<C> {
        self.loads.join_or_start(token, mode).0
    }

    /// As [`load`](Self::load); also returns whether the load and its claims may be older than this call.
    pub(crate) fn load_or_join(&self, token: &RefreshToken, mode: Mode) -> (Loading<C>, bool) {
        self.loads.join_or_start(token, mode)
    }

    /// Asks the store whether the session of a valid access token is live. If it is not, the access token counts for nothing,
    /// and `token` decides, if there is one.
    pub(crate) fn confirm_or_load(
        &self,
        user: Arc<User<C>>,
        token: Option<RefreshToken>,
        mode: Mode,
    ) -> Loading<C> {
        confirm::confirm_or_load(self.sessions.clone(), self.loads.clone(), user, token, mode)
    }

    /// What was loaded before, with the claims as of now.
    pub(crate) async fn reload_claims(&self, live: &Live<C>) -> Loaded<C> {
        reload_claims(&self.sessions, live).await
    }

    /// Exchanges `token`, whose session was loaded, for the tokens of a response, together with requests that present the same
    /// token at the same time or have shared its load: the commit. It ends no session.
    pub(crate) fn exchange_shared(&self, token: RefreshToken, loaded: Arc<Loaded<C>>) -> Committing {
        self.commits.join_or_start(token, loaded)
    }

    /// The same alone, so that the access token has the claims that this request has loaded.
    pub(crate) async fn exchange(
        &self,
        token: &RefreshToken,
        live: &Live<C>,
    ) -> Result<Issued, RefreshError> {
        let result = commit(&self.sessions, &self.tokens, token, live).await;
        finish(&self.sessions, live, result)
    }

    /// Spends the late budget that authenticated a request whose response can carry no token. It sends nothing, and if it fails,
    /// nothing was spent or a write was not acknowledged.
    pub(crate) async fn spend_for_upgrade(&self, token: &RefreshToken, loaded: &Arc<Loaded<C>>) {
        let _ = self.commits.spend_for_upgrade(token, loaded).await;
    }
}

impl<C> fmt::Debug for Refresher<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refresher")
            .field("sessions", &self.sessions)
            .field("tokens", &self.tokens)
            .field("loads", &self.loads)
            .field("commits", &self.commits)
            .finish()
    }
}
