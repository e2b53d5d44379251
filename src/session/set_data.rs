//! Changing the application's data of the session.

use std::sync::Arc;

use tower_refresh_core::{
    SessionRow, Timestamp,
    rotation::{Decision, Rule, Tokens as TokensToSend, commit as decide},
};

use super::{Session, TokenResponse};
use crate::{
    CustomClaims, RejectionKind,
    claims::User,
    keys::PreparedKeys,
    refresh::{Live, Loaded, Mode, RefreshError},
    refresh_token::{RefreshToken, RefreshTransport},
    rejection::Rejection,
    sessions::Sessions,
    settings::AccessTransport,
    state::{Change, Refresh},
    tokens::{Issued, PreparedUser},
};

/// Enough for as many requests that change one session at the same time.
const MOST_ROUNDS: usize = 32;

impl<C: CustomClaims> Session<C> {
    /// Replaces the application's bytes of this session, which the claims source reads from
    /// [`SessionInfo::data`](crate::SessionInfo::data): a tenant that the user switches to. The response carries a new access token with
    /// claims that were loaded from them, and what reads the user later in this request sees them:
    /// [`Authenticated`](crate::Authenticated), `require_auth` and `require_scope`. Access tokens that were issued before keep their
    /// claims until they expire.
    ///
    /// The session is neither prolonged nor rotated, and keeps its absolute lifetime however often it is called. Only a refresh for
    /// which this request is due anyway, since its access token is absent or has expired, takes place in the same write.
    ///
    /// It needs a logged-in user, and no refresh token, so native clients can use it. Without the refresh token of this session in the
    /// request, the new access token expires no later than the one that was presented: a stolen access token cannot renew itself. The same
    /// where the session is bound to a device ([`DeviceBinding::Enforce`](crate::DeviceBinding::Enforce)); the new one is
    /// [device-bound](crate::Authenticated::is_device_bound) if the presented one was.
    ///
    /// A [reauthentication](Self::reauthenticate) of the same session that is in progress may continue it with the former data.
    ///
    /// # Errors
    /// [`RejectionKind::CrossSite`], also in a navigation that another site started, unless this request has started the session; the
    /// request's own rejection if its bearer token is rejected; [`RejectionKind::Unauthenticated`] without a user, or if the
    /// session has ended; [`RejectionKind::InvalidClaims`] if the claims with these data do not fit into an access token, and
    /// [`RejectionKind::SubjectGone`] if the claims source returned `None`: then nothing was changed, and the session goes on with
    /// its former data; [`RejectionKind::Unavailable`] if the store or the claims source fails; [`RejectionKind::Overtaken`] if other
    /// requests kept changing the session, or its refresh token gets no tokens (see [`refresh`](Self::refresh));
    /// [`RejectionKind::Sealed`].
    ///
    /// # Cancel safety
    /// If the future is dropped before it completes, the data may have been replaced, and the session rotated, which counts as a lost
    /// response.
    pub async fn set_data(&self, data: impl Into<Vec<u8>>) -> Result<TokenResponse, Rejection> {
        self.check_writable_without_cookies()?;
        let change = self.state.change()?;
        let is_started = self.started_session()?.is_some();
        // The site that started the navigation can discard its response, and the token with it.
        if self.state.is_read_only() && !is_started {
            return Err(self.reject(RejectionKind::CrossSite));
        }
        let user = self.state.user()?.ok_or_else(|| self.reject(RejectionKind::Unauthenticated))?;
        let presented = match &change {
            None => self.presented(&user).await.map_err(|error| self.reject(error.into()))?,
            // The tokens of a refresh that failed are not made up for.
            Some(Change::Refreshed { user: None, .. }) => {
                return Err(self.reject(RejectionKind::Unavailable));
            }
            Some(_) => Presented::None,
        };
        let transport = self.refresh_transport(&user, &presented, change.as_ref());
        let (user, mut issued) = self.replace_data(&user, &presented, transport, data.into()).await?;

        let access = issued.access.as_ref().ok_or_else(|| self.reject(RejectionKind::Internal))?;
        let response = TokenResponse::new(access, self.state.auth.settings.access_token_in_body);
        let change = match change {
            Some(Change::LoggedInNative { .. }) => Change::LoggedInNative { user },
            Some(Change::LoggedIn { issued: before, .. }) => {
                issued.refresh = before.refresh;
                Change::LoggedIn { user, issued }
            }
            Some(Change::Refreshed { issued: before, .. }) => {
                issued.refresh = before.refresh;
                Change::Refreshed { user: Some(user), issued }
            }
            Some(Change::LoggedOut) | None => Change::Refreshed { user: Some(user), issued },
        };
        self.state.set_change(change)?;
        Ok(response)
    }

    /// The refresh token of the user's session that the request presents.
    async fn presented(&self, user: &User<C>) -> Result<Presented<C>, RefreshError> {
        if let Refresh::Loaded(refresh) = &self.state.refresh
            && let (Some(token), Ok(_)) = (&refresh.token, refresh.loaded.live())
        {
            return Ok(Presented::Due(token.clone(), refresh.loaded.clone()));
        }
        let token = self.state.parse_refresh_tokens_once().token();
        let token = token.filter(|token| token.handle == user.session && !self.is_proven(user));
        let Some(token) = token else { return Ok(Presented::None) };
        let loaded = self.state.auth.refresher.load(token, Mode::Deciding, &self.client()).await;
        match loaded.live() {
            Ok(_) => Ok(Presented::Beside(token.clone(), loaded)),
            // The former data may be the reason, and the new ones the remedy.
            Err(RefreshError::InvalidClaims(_)) => Ok(Presented::None),
            // It counts for nothing.
            Err(RefreshError::Unproven) => Ok(Presented::None),
            Err(error) => Err(error),
        }
    }

    /// How the refresh tokens of the session are sent, which decides how long its access tokens may be. It is not stored, and anyone who
    /// has an access token of a browser can send it alone. So it counts as a browser's unless no browser can have it.
    fn refresh_transport(
        &self,
        user: &User<C>,
        presented: &Presented<C>,
        change: Option<&Change<C>>,
    ) -> RefreshTransport {
        let is_native = match (change, presented) {
            (Some(Change::LoggedInNative { .. }), _) => true,
            (None, Presented::None) => {
                self.state.info.transport == AccessTransport::Header
                    && self.state.auth.tokens().fits_no_cookie(user)
            }
            _ => false,
        };
        if is_native { RefreshTransport::Body } else { RefreshTransport::Cookie }
    }

    async fn replace_data(
        &self,
        before: &User<C>,
        presented: &Presented<C>,
        transport: RefreshTransport,
        data: Vec<u8>,
    ) -> Result<(Arc<User<C>>, Issued), Rejection> {
        let (sessions, client) = (self.state.auth.sessions(), self.client());
        let mut known = presented.live().map(|live| live.row.clone());
        let mut loaded: Option<PreparedUser<C>> = None;
        for _ in 0..MOST_ROUNDS {
            let now = sessions.now();
            let row = match known.take() {
                Some(row) => Some(row),
                None => sessions
                    .store
                    .load(before.session, Some(&before.subject), &client)
                    .await
                    .map_err(|_| self.reject(RejectionKind::Unavailable))?,
            };
            let row = row.ok_or_else(|| self.reject(RejectionKind::Unauthenticated))?;
            let denied = sessions.is_denied(row.handle);
            let mut plan =
                presented.plan(&row, denied, now, sessions).map_err(|error| self.reject(error.into()))?;
            plan.write.data.clone_from(&data);

            let user = match loaded.take().filter(|user| user.user.epoch >= sessions.epoch_of(&plan.write)) {
                Some(user) => user,
                None => self.load_user(&plan.write, transport).await?,
            };
            let user = match (plan.has_refresh_token, before.is_device_bound) {
                (true, _) => user,
                (false, false) => user.limited_to(before.expires_at),
                (false, true) => user.limited_to(before.expires_at).proven(),
            };
            // The same keys throughout: they may be replaced meanwhile. The next round reports claims that do not fit with them.
            let keys = Arc::clone(&self.state.auth.tokens().keys());
            if self.state.auth.tokens().check_len(&keys, &user).is_err() {
                continue;
            }
            let swapped = sessions.store.compare_and_swap(&plan.write, &client).await;
            // A failure may be that of the acknowledgement.
            sessions.count_row_change();
            match swapped {
                Ok(Some(_)) => {}
                Ok(None) => {
                    loaded = Some(user);
                    continue;
                }
                Err(_) => return Err(self.reject(RejectionKind::Unavailable)),
            }
            // A logout may have come after the swap; what it denied must not be sent.
            if sessions.is_denied(row.handle) {
                return Err(self.reject(RejectionKind::Unauthenticated));
            }
            let issued = self.issue_for(&keys, &user, &plan, now)?;
            if let Presented::Due(token, loaded) = presented
                && let Ok(live) = loaded.live()
            {
                let refresher = &self.state.auth.refresher;
                if plan.rule == Some(Rule::Late) {
                    refresher.report_repeated_loss(&row, now, &client);
                }
                refresher.report_exchange(token, live, issued.refresh.is_some(), &client);
            }
            return Ok((user.user, issued));
        }
        Err(self.reject(RejectionKind::Overtaken))
    }

    fn issue_for(
        &self,
        keys: &PreparedKeys,
        user: &PreparedUser<C>,
        Plan { write, send, .. }: &Plan,
        now: Timestamp,
    ) -> Result<Issued, Rejection> {
        let tokens = self.state.auth.tokens();
        let access = match user.user.is_device_bound {
            true => tokens.issue_proven_access(keys, user, write, now),
            false => tokens.issue_access(keys, user, write, now),
        };
        let access = access.map_err(|error| self.crypto_failed(Some(write), &error))?;
        let refresh = send.as_ref().map(|token| tokens.issue_refresh(keys, token, write, now)).transpose();
        let refresh = refresh.map_err(|error| self.crypto_failed(Some(write), &error))?;
        Ok(Issued { access: Some(access), refresh, offer: None })
    }
}

/// The refresh token of the session that the request presents.
enum Presented<C> {
    None,
    /// It has identified the user, and a commit is due.
    Due(RefreshToken, Arc<Loaded<C>>),
    /// It is beside the access token that identifies the user.
    Beside(RefreshToken, Arc<Loaded<C>>),
}

/// What is written and sent.
struct Plan {
    write: Box<SessionRow>,
    send: Option<RefreshToken>,
    /// The request shows that the client has a refresh token.
    has_refresh_token: bool,
    /// Of the commit that is due.
    rule: Option<Rule>,
}

impl<C: CustomClaims> Presented<C> {
    fn live(&self) -> Option<&Live<C>> {
        match self {
            Self::None => None,
            Self::Due(_, loaded) | Self::Beside(_, loaded) => loaded.live().ok(),
        }
    }

    fn plan(
        &self,
        row: &SessionRow,
        denied: bool,
        now: Timestamp,
        sessions: &Sessions<C>,
    ) -> Result<Plan, RefreshError> {
        if denied || !row.is_live(now) {
            return Err(RefreshError::Inactive);
        }
        let unchanged = || Box::new(row.clone());
        let (Self::Due(token, loaded) | Self::Beside(token, loaded)) = self else {
            return Ok(Plan { write: unchanged(), send: None, has_refresh_token: false, rule: None });
        };
        let class = loaded.live()?.class;
        let Decision { rule, write, send, .. } =
            decide(&sessions.attempt(Some(row), token, now), class, &sessions.policy);
        match (self, rule) {
            (_, Rule::NotLive) => Err(RefreshError::Inactive),
            (_, Rule::Overtaken) => Err(RefreshError::Overtaken),
            (Self::Due(..), _) => {
                let send = match send {
                    TokensToSend::AccessAndRefresh { generation, .. } => {
                        Some(token.with_generation(generation))
                    }
                    _ => None,
                };
                let write = write.map_or_else(unchanged, Box::new);
                Ok(Plan { write, send, has_refresh_token: true, rule: Some(rule) })
            }
            // The current token was presented, and nothing else of a commit is due.
            (_, Rule::Damped | Rule::Rotate) => {
                let mut write = unchanged();
                write.confirmed = true;
                Ok(Plan { write, send: None, has_refresh_token: true, rule: None })
            }
            (_, rule) => {
                let has_refresh_token = rule == Rule::Redeliver;
                Ok(Plan { write: unchanged(), send: None, has_refresh_token, rule: None })
            }
        }
    }
}
