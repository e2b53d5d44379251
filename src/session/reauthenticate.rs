//! Authenticating a logged-in user again.

use std::{fmt, iter};

use tower_refresh_core::{SessionHandle, SessionRow, Timestamp};

use super::{Session, TokenResponse, login::NewSession};
use crate::{
    CustomClaims, NativeTokenResponse, RejectionKind,
    refresh::Mode,
    refresh_token::{RefreshToken, RefreshTransport},
    rejection::Rejection,
    state::Change,
    tokens::Issued,
};

/// The options of a [reauthentication](Session::reauthenticate).
#[derive(Clone, Default)]
#[must_use]
pub struct ReauthOptions {
    data: Option<Vec<u8>>,
    authenticated_at: Option<Timestamp>,
}

impl ReauthOptions {
    /// The user was authenticated now, and the session's data stays.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the bytes that the claims source reads from [`SessionInfo::data`](crate::SessionInfo::data), such as how the user
    /// authenticated. The default is the data of the session.
    pub fn data(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.data = Some(data.into());
        self
    }

    /// Sets when the user was authenticated, as an identity provider says in the `auth_time` of its ID token (OpenID Connect Core
    /// §2). The default is now, and so is a time in the future: the provider's clock is ahead.
    pub fn authenticated_at(mut self, at: Timestamp) -> Self {
        self.authenticated_at = Some(at);
        self
    }
}

impl fmt::Debug for ReauthOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReauthOptions")
            .field("authenticated_at", &self.authenticated_at)
            .finish_non_exhaustive()
    }
}

impl<C: CustomClaims> Session<C> {
    /// Makes the login of the logged-in user [recent](crate::Authenticated::is_recent): step-up. The caller must have authenticated
    /// the user again, with the password, a second factor or a passkey.
    ///
    /// The privileges of the session grow, so it continues under a new session id, and no token from before is valid any more. The
    /// former session is ended as superseded, once the new one is stored, and the cookies are set on the response. The subject, the
    /// time of the login, the absolute expiry, the session's own idle lifetime, the label and the data stay; the data can be
    /// [replaced](ReauthOptions::data). The address and the user agent are those of this request. Claims are loaded anew.
    ///
    /// **A response that is lost logs the user out**, since the former session has ended; so does a connection that breaks meanwhile.
    /// Other requests that the client sends at the same time with the former tokens are anonymous, and lose no cookie.
    ///
    /// The request needs a valid access token, or a refresh token that the layer has accepted. Without a refresh cookie, as in a
    /// client that has only an access token, it continues the session of the access token.
    ///
    /// # Errors
    /// [`RejectionKind::CrossSite`] for a request from another site; the request's own rejection if its bearer token is rejected;
    /// [`RejectionKind::Unauthenticated`] if it is anonymous, or its session has ended, possibly during this call: then the new
    /// session has ended as well; [`RejectionKind::SubjectGone`] if the claims source returned `None`;
    /// [`RejectionKind::InvalidClaims`] if its claims do not fit into an access token; [`RejectionKind::Unavailable`] if the store
    /// or the claims source fails: then the former session stays live, unless the store reported a failure of ending it and of reading it as well;
    /// [`RejectionKind::Sealed`].
    ///
    /// # Cancel safety
    /// If the future is dropped before it completes, a session may have been stored whose tokens no client has, and the former
    /// session may have ended.
    pub async fn reauthenticate(&self, options: ReauthOptions) -> Result<TokenResponse, Rejection> {
        self.check_writable()?;
        let former = self.former_row().await?;
        let NewSession { row, user, access, refresh } =
            self.prepare_successor(&former, options, RefreshTransport::Cookie).await?;
        let response = TokenResponse::new(&access, self.state.auth.settings.access_token_in_body);
        let offer = self.offer_device(&row)?;
        let issued = Issued { access: Some(access), refresh: Some(refresh), offer };
        let change = Change::LoggedIn { user, issued };
        self.replace(Some(&former), self.client_sessions()?, &row, None, change).await?;
        Ok(response)
    }

    /// Makes the login of the logged-in user recent, as [`reauthenticate`](Self::reauthenticate), on a native, mobile or command
    /// line client. The client sends its newest refresh token in the body of the request, beside its access token, and receives the
    /// new one in the body of the response (RFC 6749 §5.1). Cookies are neither read nor set nor removed.
    ///
    /// The refresh token must be one of the session of the access token, and is classified as in a refresh: a reused one ends the
    /// session. With it, a stolen access token alone cannot become a session.
    ///
    /// # Errors
    /// [`RejectionKind::FromBrowser`], as [`login_native`](Self::login_native); [`RejectionKind::Unauthenticated`] also if the
    /// refresh token is invalid, expired or reused, or is one of another session; otherwise as
    /// [`reauthenticate`](Self::reauthenticate).
    ///
    /// # Cancel safety
    /// As [`reauthenticate`](Self::reauthenticate).
    pub async fn reauthenticate_native(
        &self,
        refresh_token: &str,
        options: ReauthOptions,
    ) -> Result<NativeTokenResponse, Rejection> {
        self.check_native()?;
        let (_, session) = self.acting_user()?;
        let token = self.native_token(refresh_token, session)?;
        let loaded = self.state.auth.refresher.load(&token, Mode::Deciding, &self.client()).await;
        let former = &loaded.live().map_err(|error| self.reject_refresh(error))?.row;
        let NewSession { row, user, access, refresh } =
            self.prepare_successor(former, options, RefreshTransport::Body).await?;
        let client_sessions = self.client_sessions_without_cookies()?;
        self.replace(Some(former), client_sessions, &row, None, Change::LoggedInNative { user }).await?;
        Ok(NativeTokenResponse::new(access, Some(refresh)))
    }

    /// The row of the logged-in user's session.
    async fn former_row(&self) -> Result<SessionRow, Rejection> {
        let (subject, session) = self.acting_user()?;
        let sessions = self.state.auth.sessions();
        match sessions.store.load(session, Some(&subject), &self.client()).await {
            Ok(Some(row)) if row.is_live(sessions.now()) => Ok(row),
            Ok(_) => Err(self.reject(RejectionKind::Unauthenticated)),
            Err(_) => Err(self.reject(RejectionKind::Unavailable)),
        }
    }

    /// The refresh token of `session` that the client has sent in a body.
    fn native_token(&self, text: &str, session: SessionHandle) -> Result<RefreshToken, Rejection> {
        let auth = &self.state.auth;
        let texts = iter::once(text.as_bytes());
        let presented = auth.read_refresh_tokens(texts, RefreshTransport::Body, &self.client(), auth.now());
        let token = presented.token().filter(|token| token.handle == session);
        token.cloned().ok_or_else(|| self.reject(RejectionKind::Unauthenticated))
    }

    /// The session that continues the one of `former`, with its first tokens. It is not stored yet.
    async fn prepare_successor(
        &self,
        former: &SessionRow,
        options: ReauthOptions,
        transport: RefreshTransport,
    ) -> Result<NewSession<C>, Rejection> {
        let auth = &self.state.auth;
        let now = auth.now();
        let token = self.first_token(transport, former.absolute_expiry)?;
        let idle_expiry = now.saturating_add(former.idle.unwrap_or(auth.settings.policy.idle));
        let (subject, absolute_expiry) = (former.subject.clone(), former.absolute_expiry);
        let mut row = SessionRow::new(token.handle, subject, former.created_at, idle_expiry, absolute_expiry);
        row.rotated_at = now;
        row.authenticated_at = options.authenticated_at.unwrap_or(now).min(now);
        row.idle = former.idle;
        row.persistent = former.persistent;
        row.claims_epoch = former.claims_epoch;
        row.meta = self.meta(former.meta.label.clone());
        row.data = options.data.unwrap_or_else(|| former.data.clone());
        self.with_tokens(row, &token, now).await
    }
}
