//! Concurrent requests with the same token share one commit.

use std::{fmt, sync::Arc};

use futures_util::{FutureExt, future::BoxFuture};
use tower_refresh_core::{SessionHandle, rotation::TokenClass};

use super::{
    commit::{commit, finish},
    error::RefreshError,
    load::Loaded,
    single_flight::{SharedWork, SingleFlight},
};
use crate::{
    CustomClaims,
    event::ClientInfo,
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
    /// By class too: what is due to a token depends on it.
    flights: SingleFlight<(SessionHandle, u32, TokenClass), Result<Issued, RefreshError>>,
}

impl<C: CustomClaims> Commits<C> {
    pub(super) fn new(sessions: Arc<Sessions<C>>, tokens: Arc<Tokens<C>>) -> Self {
        Self { sessions, tokens, flights: SingleFlight::new() }
    }

    /// Joins the commit in progress for `token`, or starts one with what this request has loaded. A request that joined a commit
    /// that failed tries once more: the failure may be older than the request.
    pub(super) fn join_or_start(
        &self,
        token: RefreshToken,
        loaded: Arc<Loaded<C>>,
        client: ClientInfo,
    ) -> Committing {
        let (commit, joined) = self.shared_commit(&token, &loaded, &client);
        let commits = self.clone();
        let (handle, generation) = (token.handle, token.generation);
        let commit = async move {
            let result = match commit.await {
                Err(RefreshError::Unavailable) if joined => {
                    commits.shared_commit(&token, &loaded, &client).0.await
                }
                result => result,
            };
            finish(&commits.sessions, &token, loaded.live()?, &client, result)
        };
        commit_span(handle, generation, commit).boxed()
    }

    fn shared_commit(
        &self,
        token: &RefreshToken,
        loaded: &Arc<Loaded<C>>,
        client: &ClientInfo,
    ) -> (SharedWork<Result<Issued, RefreshError>>, bool) {
        let class = loaded.live().map_or(TokenClass::Unknown, |live| live.class);
        self.flights.join_or_start((token.handle, token.generation, class), || {
            let (sessions, tokens) = (self.sessions.clone(), self.tokens.clone());
            let (token, loaded, client) = (token.clone(), loaded.clone(), client.clone());
            async move { commit(&sessions, &tokens, &token, loaded.live()?, &client).await }
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
