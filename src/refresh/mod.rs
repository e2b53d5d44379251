//! Steps 4 and 5: the refresh, as a load and a commit.
//!
//! The load decides who the user is, before the inner service is called. The commit decides which tokens are sent, when the
//! response head is ready. The handler runs in between, however slowly, and nothing is spent before the commit.

mod commit;
mod commits;
mod committed;
mod confirm;
mod dead;
mod error;
mod inactive;
mod load;
mod loads;
mod sharing;
mod user;

use std::{fmt, sync::Arc};

use tower_refresh_core::{SessionRow, Timestamp};

use self::{
    commit::{report, report_repeated_loss, was_late_before},
    commits::Commits,
    confirm::Confirmation,
    dead::DeadSessions,
    load::reload_claims,
    loads::Loads,
    user::load_user,
};
pub(crate) use self::{
    error::RefreshError,
    inactive::Inactive,
    load::{Live, Loaded, Mode, Reissued},
    loads::Loading,
};
use crate::{
    CustomClaims,
    claims::User,
    event::ClientInfo,
    refresh_token::{RefreshToken, RefreshTransport},
    sessions::Sessions,
    tokens::{Issued, PreparedUser, Tokens},
};

/// Refreshes sessions.
pub(crate) struct Refresher<C> {
    pub(crate) sessions: Arc<Sessions<C>>,
    pub(crate) tokens: Arc<Tokens<C>>,
    loads: Loads<C>,
    commits: Commits<C>,
    dead: Arc<DeadSessions>,
}

impl<C: CustomClaims> Refresher<C> {
    pub(crate) fn new(sessions: Arc<Sessions<C>>, tokens: Arc<Tokens<C>>) -> Self {
        let dead = Arc::new(DeadSessions::new());
        Self {
            loads: Loads::new(sessions.clone(), tokens.clone(), dead.clone()),
            commits: Commits::new(sessions.clone(), tokens.clone()),
            dead,
            sessions,
            tokens,
        }
    }

    /// Loads the session of `token`, together with concurrent requests that present the same token.
    pub(crate) fn load(&self, token: &RefreshToken, mode: Mode, client: &ClientInfo) -> Loading<C> {
        self.loads.join_or_start(token, mode, client).0
    }

    /// As [`load`](Self::load); also returns whether the load and its claims may be older than this call.
    pub(crate) fn load_or_join(
        &self,
        token: &RefreshToken,
        mode: Mode,
        client: &ClientInfo,
    ) -> (Loading<C>, bool) {
        self.loads.join_or_start(token, mode, client)
    }

    /// Asks the store whether the session of a valid access token is live, with these claims. If it is not, the access token counts
    /// for nothing, and the refresh token decides, if there is one.
    pub(crate) fn confirm_or_load(
        &self,
        user: Arc<User<C>>,
        token: Option<RefreshToken>,
        mode: Mode,
        client: ClientInfo,
    ) -> Loading<C> {
        self.confirmation(user, mode, client).or_load(self.loads.clone(), token)
    }

    /// An access token in place of the valid one of `user`, which came from a proof of the device, with the claims as of now.
    pub(crate) async fn reissue(
        &self,
        user: Arc<User<C>>,
        client: ClientInfo,
    ) -> Result<(Issued, Option<Arc<User<C>>>), RefreshError> {
        match self.confirmation(user, Mode::Deciding, client).reissue().await {
            Loaded::Reissued(reissued) if self.sessions.is_denied(reissued.user.session) => {
                Err(RefreshError::Inactive)
            }
            Loaded::Reissued(reissued) => Ok((reissued.issued, Some(reissued.user))),
            loaded => Err(loaded.live().err().unwrap_or(RefreshError::Inactive)),
        }
    }

    fn confirmation(&self, user: Arc<User<C>>, mode: Mode, client: ClientInfo) -> Confirmation<C> {
        let (sessions, tokens, dead) = (self.sessions.clone(), self.tokens.clone(), self.dead.clone());
        Confirmation { sessions, tokens, dead, user, mode, client }
    }

    /// What was loaded before, with the claims as of now.
    pub(crate) async fn reload_claims(&self, live: &Live<C>, client: &ClientInfo) -> Loaded<C> {
        reload_claims(&self.sessions, &self.tokens, live, client).await
    }

    /// The user of a new session, whose refresh tokens will have this transport; `None` if the claims source does not know the
    /// subject. A failure has been reported.
    pub(crate) async fn load_user(
        &self,
        row: &SessionRow,
        transport: RefreshTransport,
        client: &ClientInfo,
    ) -> Result<Option<PreparedUser<C>>, RefreshError> {
        load_user(&self.sessions, &self.tokens, row, transport, client).await
    }

    /// Exchanges `token`, whose session was loaded, for the tokens of a response, together with requests that present the same
    /// token at the same time or have shared its load: the commit. It ends no session.
    pub(crate) fn exchange_shared(
        &self,
        token: RefreshToken,
        loaded: Arc<Loaded<C>>,
        client: ClientInfo,
    ) -> impl Future<Output = Result<Issued, RefreshError>> + Send + use<C> + 'static {
        self.commits.join_or_start(token, loaded, client)
    }

    /// The same alone, so that the access token has the claims that this request has loaded; also returns its user, unless no
    /// access token could be made.
    pub(crate) async fn exchange(
        &self,
        token: &RefreshToken,
        live: &Live<C>,
        client: &ClientInfo,
    ) -> Result<(Issued, Option<Arc<User<C>>>), RefreshError> {
        self.commits.alone(token, live, client).await
    }

    /// Reports a commit that [`Session::set_data`](crate::Session::set_data) has made in its own write.
    pub(crate) fn report_exchange(
        &self,
        token: &RefreshToken,
        live: &Live<C>,
        has_refresh: bool,
        client: &ClientInfo,
    ) {
        report(&self.sessions, token, live, has_refresh, client);
    }

    /// Reports that late budget was spent once more, if it was, for the session that was in `row` before.
    pub(crate) fn report_repeated_loss(&self, row: &SessionRow, now: Timestamp, client: &ClientInfo) {
        if was_late_before(row, now) {
            report_repeated_loss(&self.sessions, row, row.rotated_at, client);
        }
    }

    /// Spends the late budget that authenticated a request whose response can carry no token. It sends nothing, and if it fails,
    /// nothing was spent or a write was not acknowledged.
    pub(crate) async fn spend_for_upgrade(
        &self,
        token: &RefreshToken,
        loaded: &Arc<Loaded<C>>,
        client: &ClientInfo,
    ) {
        let _ = self.commits.spend_for_upgrade(token, loaded, client).await;
    }
}

impl<C> fmt::Debug for Refresher<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refresher")
            .field("sessions", &self.sessions)
            .field("tokens", &self.tokens)
            .field("loads", &self.loads)
            .field("commits", &self.commits)
            .field("dead", &self.dead)
            .finish()
    }
}
