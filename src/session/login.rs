//! Logging in.

use std::{error::Error, sync::Arc};

use http::HeaderValue;
use tower_refresh_core::{EndReason, SessionHandle, SessionMeta, SessionRow, Subject, Timestamp};

use super::{LoginOptions, Session, TokenResponse};
use crate::{
    CustomClaims, RejectionKind,
    claims::User,
    event::{About, EventKind, displayable},
    refresh_token::{RefreshToken, RefreshTransport, SessionId},
    rejection::Rejection,
    sessions::{Room, random_version},
    state::Change,
    tokens::{Issued, IssuedAccess, IssuedRefresh, PreparedUser},
};

impl<C: CustomClaims> Session<C> {
    /// Logs `subject` in. The login always starts a new session with a new session id, so that no token from before the login is
    /// valid after it. The client's former sessions are ended as superseded, and the cookies are set on the response. The caller
    /// must have authenticated the user.
    ///
    /// # Errors
    /// [`RejectionKind::CrossSite`] for a request from another site (login CSRF); [`RejectionKind::SubjectGone`] if the claims
    /// source returned `None`: answer it as a wrong password, otherwise the response shows which users exist;
    /// [`RejectionKind::InvalidClaims`] if its claims do not fit into an access token;
    /// [`RejectionKind::Unavailable`] if the store or the claims source fails: then the former sessions stay live, unless the
    /// store failed while they were being ended; [`RejectionKind::Sealed`].
    ///
    /// # Cancel safety
    /// If the future is dropped before it completes, a session may have been stored whose tokens no client has, and former
    /// sessions may have ended.
    pub async fn login(&self, subject: impl Into<Subject>) -> Result<TokenResponse, Rejection> {
        self.login_with(subject, LoginOptions::new()).await
    }

    /// Logs `subject` in, as [`login`](Self::login), with `options`.
    ///
    /// # Errors
    /// As [`login`](Self::login), and [`RejectionKind::InvalidLoginOptions`], before any call of the store.
    pub async fn login_with(
        &self,
        subject: impl Into<Subject>,
        options: LoginOptions,
    ) -> Result<TokenResponse, Rejection> {
        self.check_writable()?;
        let room = self.room(&options);
        let NewSession { row, user, access, refresh } =
            self.prepare_session(subject.into(), options, RefreshTransport::Cookie).await?;
        let response = TokenResponse::new(&access, self.state.auth.settings.access_token_in_body);
        let offer = self.offer_device(&row)?;
        let issued = Issued { access: Some(access), refresh: Some(refresh), offer };
        let change = Change::LoggedIn { user, issued };
        self.replace(None, self.client_sessions()?, &row, room, change).await?;
        Ok(response)
    }

    /// A new session with its first tokens. It is not stored yet.
    pub(super) async fn prepare_session(
        &self,
        subject: Subject,
        options: LoginOptions,
        transport: RefreshTransport,
    ) -> Result<NewSession<C>, Rejection> {
        let now = self.state.auth.now();
        let (idle_expiry, absolute_expiry) = options
            .expiries(&self.state.auth.settings.policy, transport, now)
            .map_err(|reason| self.reject(RejectionKind::InvalidLoginOptions { reason }))?;
        let token = self.first_token(transport, absolute_expiry)?;
        let mut row = SessionRow::new(token.handle, subject, now, idle_expiry, absolute_expiry);
        row.authenticated_at = options.authenticated_by(now);
        row.meta = self.meta(options.label);
        row.data = options.data;
        row.persistent = options.remember;
        self.with_tokens(row, &token, now).await
    }

    /// The first token of a new session.
    pub(super) fn first_token(
        &self,
        transport: RefreshTransport,
        absolute_expiry: Timestamp,
    ) -> Result<RefreshToken, Rejection> {
        let session_id = SessionId::random().map_err(|error| self.crypto_failed(None, &error))?;
        RefreshToken::first(session_id, transport, absolute_expiry)
            .map_err(|error| self.crypto_failed(None, &error))
    }

    /// The new session of `row`, whose first refresh token is `token`, with an access token.
    pub(super) async fn with_tokens(
        &self,
        mut row: SessionRow,
        token: &RefreshToken,
        now: Timestamp,
    ) -> Result<NewSession<C>, Rejection> {
        row.version = random_version().map_err(|error| self.crypto_failed(None, &error))?;
        let user = self.load_user(&row, token.transport).await?;
        let (access, refresh) = self.issue(token, &user, &row, now)?;
        Ok(NewSession { row, user: user.user, access, refresh })
    }

    /// The user of a session that is not written yet.
    pub(super) async fn load_user(
        &self,
        row: &SessionRow,
        transport: RefreshTransport,
    ) -> Result<PreparedUser<C>, Rejection> {
        match self.state.auth.refresher.load_user(row, transport, &self.client()).await {
            Ok(Some(user)) => Ok(user),
            Ok(None) => Err(self.reject(RejectionKind::SubjectGone)),
            Err(error) => Err(self.reject(error.into())),
        }
    }

    /// What a login leaves of the user's other sessions.
    pub(super) fn room(&self, options: &LoginOptions) -> Option<Room> {
        let limit = self.state.auth.settings.max_sessions.map(Room::for_at_most);
        if options.end_others { Some(Room::NONE) } else { limit }
    }

    /// Stores the new session, and ends those without `room` and the `former` ones. If it continues a `predecessor`, that one must
    /// have been live until now: what ended it meanwhile, such as a logout elsewhere, applies to the new session as well.
    pub(super) async fn replace(
        &self,
        predecessor: Option<&SessionRow>,
        former: Vec<SessionHandle>,
        row: &SessionRow,
        room: Option<Room>,
        change: Change<C>,
    ) -> Result<(), Rejection> {
        let (sessions, client) = (self.state.auth.sessions(), self.client());
        // With which the predecessor ends.
        let version = random_version().map_err(|error| self.crypto_failed(Some(row), &error))?;
        if sessions.store.create(row, &client).await.is_err() {
            return Err(self.reject(RejectionKind::Unavailable));
        }
        // First, so that the client's own session stays live if it fails.
        if let Some(room) = room
            && sessions.displace(row, &former, room, &client).await.is_err()
        {
            self.discard(row).await;
            return Err(self.reject(RejectionKind::Unavailable));
        }
        let (former_row, predecessor) = (predecessor, predecessor.map(|former| former.handle));
        let others = former.into_iter().filter(|session| Some(*session) != predecessor);
        for session in predecessor.into_iter().chain(others) {
            let subject = self.state.subject_of(session);
            let is_predecessor = Some(session) == predecessor;
            let ended = if is_predecessor {
                sessions.supersede(session, subject, version, &client).await
            } else {
                sessions.end(session, subject, EndReason::Superseded, &client).await
            };
            let failure = match ended {
                Ok(was_live) if was_live || !is_predecessor => continue,
                Ok(_) => RejectionKind::Unauthenticated,
                Err(_) => RejectionKind::Unavailable,
            };
            self.discard(row).await;
            return Err(self.reject(failure));
        }
        if let Some(former) = former_row {
            sessions.outdate_successor(former, row, &client).await;
        }
        if let Err(sealed) = self.state.set_change(change) {
            self.discard(row).await;
            return Err(sealed);
        }
        let about = About::client(&client).session(Some(row.handle), Some(&row.subject));
        let kind = if predecessor.is_some() { EventKind::Reauthentication } else { EventKind::Login };
        sessions.events.emit(kind, about);
        Ok(())
    }

    /// Every session of which the client has a token: those of its refresh tokens, expired or not, that of its access token, and
    /// the one that this request has started.
    pub(super) fn client_sessions(&self) -> Result<Vec<SessionHandle>, Rejection> {
        let mut sessions = self.state.parse_refresh_tokens_once().sessions().to_vec();
        sessions.extend(self.state.info.access_session);
        sessions.extend(self.started_session()?);
        sessions.sort_unstable();
        sessions.dedup();
        Ok(sessions)
    }

    /// The session that this request has started.
    pub(super) fn started_session(&self) -> Result<Option<SessionHandle>, Rejection> {
        Ok(match self.state.change()? {
            Some(Change::LoggedIn { user, .. } | Change::LoggedInNative { user }) => Some(user.session),
            Some(Change::Refreshed { .. } | Change::LoggedOut) | None => None,
        })
    }

    fn issue(
        &self,
        token: &RefreshToken,
        user: &PreparedUser<C>,
        row: &SessionRow,
        now: Timestamp,
    ) -> Result<(Arc<IssuedAccess>, Arc<IssuedRefresh>), Rejection> {
        let tokens = self.state.auth.tokens();
        let keys = tokens.keys();
        let access = tokens
            .issue_access(&keys, user, row, now)
            .map_err(|error| self.crypto_failed(Some(row), &error))?;
        let refresh = tokens
            .issue_refresh(&keys, token, row, now)
            .map_err(|error| self.crypto_failed(Some(row), &error))?;
        Ok((access, refresh))
    }

    /// The offer of a registration of the browser's device, in the response to a login.
    pub(super) fn offer_device(&self, row: &SessionRow) -> Result<Option<HeaderValue>, Rejection> {
        let auth = &self.state.auth;
        let offer =
            auth.tokens().device_offer(row, auth.now(), self.state.info.sender.is_hidden_from_scripts);
        offer.map_err(|error| self.crypto_failed(Some(row), &error))
    }

    pub(super) fn crypto_failed(&self, row: Option<&SessionRow>, error: &(dyn Error + 'static)) -> Rejection {
        let client = self.client();
        let about = About::client(&client).session(row.map(|row| row.handle), row.map(|row| &row.subject));
        self.state.auth.sessions().events.failed(EventKind::CryptoFailed, about, error);
        self.reject(RejectionKind::Internal)
    }

    pub(super) fn meta(&self, label: Option<String>) -> SessionMeta {
        let client = self.client();
        let mut meta = SessionMeta::default();
        meta.user_agent = client.displayable_user_agent();
        meta.ip = client.ip;
        meta.label = label.as_deref().map(displayable);
        meta
    }

    /// Ends a session that was stored, but whose tokens will not be sent.
    async fn discard(&self, row: &SessionRow) {
        // If that fails too, the session remains until it expires, and no client has a token of it.
        let sessions = self.state.auth.sessions();
        let subject = Some(row.subject.clone());
        let _ = sessions.end(row.handle, subject, EndReason::Superseded, &self.client()).await;
    }
}

/// A session that is not stored yet.
pub(super) struct NewSession<C> {
    pub(super) row: SessionRow,
    pub(super) user: Arc<User<C>>,
    pub(super) access: Arc<IssuedAccess>,
    pub(super) refresh: Arc<IssuedRefresh>,
}
