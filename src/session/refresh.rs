//! Refreshing on demand.

use std::sync::Arc;

use super::{Session, TokenResponse};
use crate::{
    CustomClaims, RejectionKind,
    claims::User,
    refresh::{Loaded, Mode, RefreshError},
    refresh_token::RefreshToken,
    rejection::Rejection,
    settings::AccessTransport,
    state::Change,
    tokens::Issued,
};

impl<C: CustomClaims> Session<C> {
    /// Refreshes now, even while the access token is valid: it loads and commits. If the layer has loaded the session for this
    /// request, that load is used. The claims source is called after this call, so a role that the handler has changed takes
    /// effect, also in what reads the user later in this request: [`Authenticated`](crate::Authenticated), `require_auth` and
    /// `require_scope`. The refresh token is sent only in its cookie.
    ///
    /// # Errors
    /// [`RejectionKind::CrossSite`], also in a navigation that another site started; the request's own rejection if its bearer token is rejected;
    /// [`RejectionKind::Unauthenticated`] without a valid refresh token; [`RejectionKind::LoginRequired`] if
    /// [`AuthBuilder::assess`](crate::AuthBuilder::assess) says so; [`RejectionKind::Unavailable`] if the store or the
    /// claims source fails; [`RejectionKind::InvalidClaims`] if its claims do not fit into an access token, and then nothing was
    /// changed; [`RejectionKind::Overtaken`] if other requests kept rotating the session, or an overdue token has no late budget left;
    /// [`RejectionKind::Sealed`].
    ///
    /// The result is final for this request: the layer does not try again.
    ///
    /// # Cancel safety
    /// If the future is dropped before it completes, the session may have been rotated, which counts as a lost response.
    pub async fn refresh(&self) -> Result<TokenResponse, Rejection> {
        self.check_writable()?;
        // The site that started the navigation can discard its response, and the tokens with it.
        if self.state.is_read_only() {
            return Err(self.reject(RejectionKind::CrossSite));
        }
        match self.state.change()? {
            None => {}
            Some(Change::LoggedIn { issued, .. } | Change::Refreshed { issued, .. }) => {
                return self.token_response(&issued);
            }
            Some(Change::LoggedInNative { .. } | Change::LoggedOut) => {
                return Err(self.reject(RejectionKind::Unauthenticated));
            }
        }
        let user = self.state.user()?;
        let token = self.state.parse_refresh_tokens_once().token();
        let token = token.ok_or_else(|| self.reject(RejectionKind::Unauthenticated))?;
        // A bearer token of one session and a refresh cookie of another: two users in one request.
        if self.state.info.transport == AccessTransport::Header
            && user.is_some_and(|user| user.session != token.handle)
        {
            return Err(self.reject(RejectionKind::Unauthenticated));
        }
        let (issued, user, response) = match self.exchange(token).await {
            Ok((issued, user)) => {
                let response = self.token_response(&issued);
                (issued, user, response)
            }
            Err(error) => (Issued::default(), None, Err(self.reject(error.into()))),
        };
        // Without tokens too: the layer does not try again after a response that reports a failure.
        self.state.set_change(Change::Refreshed { user, issued })?;
        response
    }

    async fn exchange(&self, token: &RefreshToken) -> Result<(Issued, Option<Arc<User<C>>>), RefreshError> {
        let loaded = self.load(token).await;
        self.state.auth.refresher.exchange(token, loaded.live()?, &self.client()).await
    }

    /// The layer's load, or a new one, with the claims as of now.
    async fn load(&self, token: &RefreshToken) -> Arc<Loaded<C>> {
        let (refresher, client) = (&self.state.auth.refresher, self.client());
        let (loaded, may_be_older) = match self.state.loaded() {
            Some(loaded) if !matches!(**loaded, Loaded::SessionLive(_)) => (loaded.clone(), true),
            _ => {
                let (load, joined) = refresher.load_or_join(token, Mode::Deciding, &client);
                (load.await, joined)
            }
        };
        // The handler may have changed a role since.
        match &*loaded {
            Loaded::Live(live) if may_be_older => Arc::new(refresher.reload_claims(live, &client).await),
            _ => loaded,
        }
    }

    fn token_response(&self, issued: &Issued) -> Result<TokenResponse, Rejection> {
        let access = issued.access.as_ref().ok_or_else(|| self.reject(RejectionKind::Unavailable))?;
        Ok(TokenResponse::new(access, self.state.auth.settings.access_token_in_body))
    }
}
