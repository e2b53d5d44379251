//! Concurrent requests with the same token share one commit, and those that share a load also its result.

use std::{fmt, sync::Arc};

use tower_refresh_core::{SessionHandle, rotation::TokenClass};

use super::{
    commit::{commit, report, spend_for_upgrade},
    committed::Committed,
    error::RefreshError,
    load::{Live, Loaded},
    sharing::{Recent, SharedWork, SingleFlight},
    user::load_user,
};
use crate::{
    CustomClaims,
    claims::User,
    event::ClientInfo,
    refresh_token::{RefreshToken, RefreshTransport},
    sessions::{RECENT, Sessions},
    telemetry::commit_span,
    tokens::{Issued, PreparedUser, Tokens},
};

/// The commits in progress. Clones share them.
pub(super) struct Commits<C> {
    sessions: Arc<Sessions<C>>,
    tokens: Arc<Tokens<C>>,
    commits: Flights<Arc<Committed<C>>>,
    /// Those for responses that can carry no cookies, because they end HTTP on the connection.
    upgrades: Flights<()>,
    /// Loads of claims, by their epoch.
    claims: SingleFlight<(SessionHandle, u32), Option<PreparedUser<C>>>,
    /// The commits of the last moment, by the presented token: for requests whose loads are their own.
    recent: RecentCommits<C>,
}

type RecentCommits<C> = Arc<Recent<(SessionHandle, u32), Arc<Committed<C>>>>;

/// By class too: what is due to a token depends on it.
type Flights<V> = SingleFlight<(SessionHandle, u32, TokenClass), Result<V, RefreshError>>;

/// Work, and whether it was in progress before.
type Joined<V> = (SharedWork<Result<V, RefreshError>>, bool);

impl<C: CustomClaims> Commits<C> {
    pub(super) fn new(sessions: Arc<Sessions<C>>, tokens: Arc<Tokens<C>>) -> Self {
        Self {
            sessions,
            tokens,
            commits: SingleFlight::new(),
            upgrades: SingleFlight::new(),
            claims: SingleFlight::new(),
            recent: Arc::new(Recent::new(RECENT)),
        }
    }

    /// Takes the result of an earlier commit on `loaded`, joins the commit in progress for `token`, or starts one with what this
    /// request has loaded.
    pub(super) fn join_or_start(
        &self,
        token: RefreshToken,
        loaded: Arc<Loaded<C>>,
        client: ClientInfo,
    ) -> impl Future<Output = Result<Issued, RefreshError>> + Send + use<C> + 'static {
        let commits = self.clone();
        let (handle, generation) = (token.handle, token.generation);
        let commit = async move {
            let live = loaded.live()?;
            let result = match commits.earlier(&token, live) {
                Some(committed) => Ok(committed),
                None => shared(|| commits.join_commit(&token, live, &loaded, &client)).await,
            };
            commits.finish(&token, live, &client, result).await
        };
        commit_span(handle, generation, commit)
    }

    /// The same for this request, with what it has loaded, and without joining a commit in progress, whose claims may be older. Also
    /// returns the user of the access token.
    pub(super) async fn alone(
        &self,
        token: &RefreshToken,
        live: &Live<C>,
        client: &ClientInfo,
    ) -> Result<(Issued, Option<Arc<User<C>>>), RefreshError> {
        let committed = match self.earlier(token, live) {
            Some(committed) => committed,
            None => self.commit(token, live, client).await?,
        };
        let issued = self.finish(token, live, client, Ok(committed.clone())).await?;
        let user = committed.user().filter(|_| issued.access.is_some());
        Ok((issued, user))
    }

    /// Spends late budget for a response that carries no token, unless an earlier commit on `loaded` or the one in progress does.
    pub(super) async fn spend_for_upgrade(
        &self,
        token: &RefreshToken,
        loaded: &Arc<Loaded<C>>,
        client: &ClientInfo,
    ) -> Result<(), RefreshError> {
        let spend = async {
            let live = loaded.live()?;
            match self.earlier(token, live) {
                Some(_) => Ok(()),
                None => shared(|| self.join_upgrade(token, live, loaded, client)).await,
            }
        };
        commit_span(token.handle, token.generation, spend).await
    }

    /// An earlier commit on the same load, or one of the last moment, while its tokens are sent again.
    fn earlier(&self, token: &RefreshToken, live: &Live<C>) -> Option<Arc<Committed<C>>> {
        let is_due =
            |committed: &Arc<Committed<C>>| committed.is_due_again(&self.sessions, token, live.class);
        if let Some(committed) = live.committed.get().filter(|committed| is_due(committed)) {
            return Some(committed.clone());
        }
        // Its load was from before that commit, or from after it.
        let is_beside = matches!(live.class, TokenClass::Current | TokenClass::Previous);
        let key = (token.handle, token.generation);
        let recent = || self.recent.find(&key, || self.sessions.events.monotonic());
        is_beside.then(recent).flatten().filter(is_due)
    }

    async fn commit(
        &self,
        token: &RefreshToken,
        live: &Live<C>,
        client: &ClientInfo,
    ) -> Result<Arc<Committed<C>>, RefreshError> {
        let committed = commit(&self.sessions, &self.tokens, token, live, client).await?;
        if live.committed.get().is_some() {
            let key = (token.handle, token.generation);
            self.recent.keep(key, committed.clone(), committed.reading().at);
        }
        Ok(committed)
    }

    /// What each request does with the result of a commit, which others may share.
    async fn finish(
        &self,
        token: &RefreshToken,
        live: &Live<C>,
        client: &ClientInfo,
        result: Result<Arc<Committed<C>>, RefreshError>,
    ) -> Result<Issued, RefreshError> {
        let (sessions, tokens) = (&*self.sessions, &*self.tokens);
        let committed = result?;
        let mut issued = committed.issue(sessions, tokens, live.recent_user(sessions), client);
        if issued.access.is_none() && committed.lacks_claims(sessions) {
            let user = self.renewed_user(&committed, live.user.transport, client).await;
            issued = committed.issue(sessions, tokens, user.as_ref(), client);
        }
        // A logout may have come after the swap; what it denied must not be sent.
        if sessions.is_denied(live.row.handle) {
            return Err(RefreshError::Inactive);
        }
        report(sessions, token, live, issued.refresh.is_some(), client);
        Ok(issued)
    }

    /// The user as of now, if the claims became outdated after the commit had begun. `None` if that fails, and then no access token
    /// is sent.
    async fn renewed_user(
        &self,
        committed: &Arc<Committed<C>>,
        transport: RefreshTransport,
        client: &ClientInfo,
    ) -> Option<PreparedUser<C>> {
        let row = committed.row();
        let key = (row.handle, self.sessions.epoch_of(row));
        let (load, _) = self.claims.join_or_start(
            key,
            || None,
            || {
                let (sessions, tokens) = (self.sessions.clone(), self.tokens.clone());
                let (committed, client) = (committed.clone(), client.clone());
                async move {
                    load_user(&sessions, &tokens, committed.row(), transport, &client).await.ok().flatten()
                }
            },
        );
        load.await
    }

    fn join_commit(
        &self,
        token: &RefreshToken,
        live: &Live<C>,
        loaded: &Arc<Loaded<C>>,
        client: &ClientInfo,
    ) -> Joined<Arc<Committed<C>>> {
        self.commits.join_or_start(
            (token.handle, token.generation, live.class),
            || self.earlier(token, live).map(Ok),
            || {
                let commits = self.clone();
                let (token, loaded, client) = (token.clone(), loaded.clone(), client.clone());
                async move { commits.commit(&token, loaded.live()?, &client).await }
            },
        )
    }

    fn join_upgrade(
        &self,
        token: &RefreshToken,
        live: &Live<C>,
        loaded: &Arc<Loaded<C>>,
        client: &ClientInfo,
    ) -> Joined<()> {
        self.upgrades.join_or_start(
            (token.handle, token.generation, live.class),
            || None,
            || {
                let (sessions, token) = (self.sessions.clone(), token.clone());
                let (loaded, client) = (loaded.clone(), client.clone());
                async move { spend_for_upgrade(&sessions, &token, loaded.live()?, &client).await }
            },
        )
    }
}

/// A request that joined work that failed tries once more: the failure may be older than the request.
async fn shared<V: Clone>(join: impl Fn() -> Joined<V>) -> Result<V, RefreshError> {
    let (work, joined) = join();
    match work.await {
        Err(RefreshError::Unavailable | RefreshError::InvalidClaims(_)) if joined => join().0.await,
        result => result,
    }
}

impl<C> Clone for Commits<C> {
    fn clone(&self) -> Self {
        Self {
            sessions: self.sessions.clone(),
            tokens: self.tokens.clone(),
            commits: self.commits.clone(),
            upgrades: self.upgrades.clone(),
            claims: self.claims.clone(),
            recent: self.recent.clone(),
        }
    }
}

impl<C> fmt::Debug for Commits<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commits")
            .field("commits", &self.commits)
            .field("upgrades", &self.upgrades)
            .field("claims", &self.claims)
            .field("recent", &self.recent)
            .finish_non_exhaustive()
    }
}
