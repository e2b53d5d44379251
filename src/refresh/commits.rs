//! Concurrent requests with the same token share one commit, and those that share a load also its result.

use std::{fmt, sync::Arc};

use futures_util::{FutureExt, future::BoxFuture};
use tower_refresh_core::{SessionHandle, rotation::TokenClass};

use super::{
    commit::{commit, finish, spend_for_upgrade},
    error::RefreshError,
    load::Loaded,
    single_flight::{SharedWork, SingleFlight, result},
};
use crate::{
    CustomClaims,
    refresh_token::RefreshToken,
    sessions::Sessions,
    telemetry::commit_span,
    tokens::{Issued, Tokens},
};

/// A commit that is in progress, or its result.
pub(crate) type Committing = BoxFuture<'static, Result<Issued, RefreshError>>;

/// The commits in progress. Clones share them.
pub(super) struct Commits<C> {
    sessions: Arc<Sessions<C>>,
    tokens: Arc<Tokens<C>>,
    flights: SingleFlight<Key, Result<Issued, RefreshError>>,
}

/// By class too, and by the kind of response: what is due to a token depends on them.
type Key = (SessionHandle, u32, TokenClass, Response);

/// What a response can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Response {
    /// Cookies.
    Tokens,
    /// Nothing, as it ends HTTP on the connection.
    Upgrade,
}

impl<C: CustomClaims> Commits<C> {
    pub(super) fn new(sessions: Arc<Sessions<C>>, tokens: Arc<Tokens<C>>) -> Self {
        Self { sessions, tokens, flights: SingleFlight::new() }
    }

    /// Takes the result of an earlier commit on `loaded`, joins the commit in progress for `token`, or starts one with what this
    /// request has loaded.
    pub(super) fn join_or_start(&self, token: RefreshToken, loaded: Arc<Loaded<C>>) -> Committing {
        let commits = self.clone();
        let (handle, generation) = (token.handle, token.generation);
        let commit = async move {
            let live = loaded.live()?;
            let result = match live.committed.redeliver(&commits.sessions, &token, live.class) {
                Some(issued) => Ok(issued),
                None => commits.shared(&token, &loaded, Response::Tokens).await,
            };
            finish(&commits.sessions, live, result)
        };
        commit_span(handle, generation, commit).boxed()
    }

    /// Spends late budget for a response that carries no token, unless an earlier commit on `loaded` or the one in progress does.
    pub(super) async fn spend_for_upgrade(
        &self,
        token: &RefreshToken,
        loaded: &Arc<Loaded<C>>,
    ) -> Result<(), RefreshError> {
        let spend = async {
            let live = loaded.live()?;
            match live.committed.redeliver(&self.sessions, token, live.class) {
                Some(_) => Ok(()),
                None => self.shared(token, loaded, Response::Upgrade).await.map(drop),
            }
        };
        commit_span(token.handle, token.generation, spend).await
    }

    /// A request that joined a commit that failed tries once more: the failure may be older than the request.
    async fn shared(
        &self,
        token: &RefreshToken,
        loaded: &Arc<Loaded<C>>,
        response: Response,
    ) -> Result<Issued, RefreshError> {
        let (commit, joined) = self.join(token, loaded, response);
        match result(commit).await {
            Err(RefreshError::Unavailable) if joined => result(self.join(token, loaded, response).0).await,
            result => result,
        }
    }

    fn join(
        &self,
        token: &RefreshToken,
        loaded: &Arc<Loaded<C>>,
        response: Response,
    ) -> (SharedWork<Result<Issued, RefreshError>>, bool) {
        let class = loaded.live().map_or(TokenClass::Unknown, |live| live.class);
        self.flights.join_or_start((token.handle, token.generation, class, response), || {
            let (sessions, tokens) = (self.sessions.clone(), self.tokens.clone());
            let (token, loaded) = (token.clone(), loaded.clone());
            async move {
                let live = loaded.live()?;
                match response {
                    Response::Tokens => commit(&sessions, &tokens, &token, live).await,
                    Response::Upgrade => {
                        spend_for_upgrade(&sessions, &token, live).await.map(|()| Issued::default())
                    }
                }
            }
        })
    }
}

impl<C> Clone for Commits<C> {
    fn clone(&self) -> Self {
        Self { sessions: self.sessions.clone(), tokens: self.tokens.clone(), flights: self.flights.clone() }
    }
}

impl<C> fmt::Debug for Commits<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commits").field("flights", &self.flights).finish_non_exhaustive()
    }
}
