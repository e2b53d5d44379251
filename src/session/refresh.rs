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

/// The tokens, and the user of the access token.
type Refreshed<C> = Result<(Issued, Option<Arc<User<C>>>), RefreshError>;

impl<C: CustomClaims> Session<C> {
    /// Refreshes now, even while the access token is valid: it loads and commits. If the layer has loaded the session for this
    /// request, that load is used. The claims source is called after this call, so a role that the handler has changed takes
    /// effect, also in what reads the user later in this request: [`Authenticated`](crate::Authenticated), `require_auth` and
    /// `require_scope`. The refresh token is sent only in its cookie.
    ///
    /// In a session that is bound to a device ([`DeviceBinding::Enforce`](crate::DeviceBinding::Enforce)), a valid access token for which the
    /// device gave a proof is replaced by one with new claims that expires no later, and the refresh token does nothing. Without such
    /// an access token the request is anonymous: the browser itself refreshes the session.
    ///
    /// # Errors
    /// [`RejectionKind::CrossSite`], also in a navigation that another site started; the request's own rejection if its bearer token is rejected;
    /// [`RejectionKind::Unauthenticated`] without a valid refresh token; [`RejectionKind::LoginRequired`] if
    /// [`AuthBuilder::assess`](crate::AuthBuilder::assess) says so; [`RejectionKind::Unavailable`] if the store or the
    /// claims source fails; [`RejectionKind::InvalidClaims`] if its claims do not fit into an access token, and then nothing was
    /// changed; [`RejectionKind::Overtaken`] if other requests kept rotating the session, or an overdue token has no late budget left;
    /// [`RejectionKind::DeviceRefreshSkipped`] if the session is bound to a device, and the browser could not refresh it;
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
        if let Some(user) = user.clone().filter(|user| self.is_proven(user)) {
            let reissued = self.state.auth.refresher.reissue(user, self.client()).await;
            return self.finish_refresh(reissued);
        }
        let token = self.state.parse_refresh_tokens_once().token();
        let token = token.ok_or_else(|| self.reject(RejectionKind::Unauthenticated))?;
        // A bearer token of one session and a refresh cookie of another: two users in one request.
        if self.state.info.transport == AccessTransport::Header
            && user.is_some_and(|user| user.session != token.handle)
        {
            return Err(self.reject(RejectionKind::Unauthenticated));
        }
        self.finish_refresh(self.exchange(token).await)
    }

    fn finish_refresh(&self, refreshed: Refreshed<C>) -> Result<TokenResponse, Rejection> {
        let (issued, user, response) = match refreshed {
            Ok((issued, user)) => {
                let response = self.token_response(&issued);
                (issued, user, response)
            }
            Err(error) => (Issued::default(), None, Err(self.reject_refresh(error))),
        };
        // Without tokens too: the layer does not try again after a response that reports a failure.
        self.state.set_change(Change::Refreshed { user, issued })?;
        response
    }

    /// Whether the user's access token came from a proof of the device, and nothing else may replace it.
    pub(super) fn is_proven(&self, user: &User<C>) -> bool {
        user.is_device_bound && self.state.auth.sessions().enforces_device_binding()
    }

    /// As for a request whose layer has refreshed nothing for this reason.
    pub(super) fn reject_refresh(&self, error: RefreshError) -> Rejection {
        self.reject(match error {
            RefreshError::Unproven => self.state.why_unproven(),
            _ => error.into(),
        })
    }

    async fn exchange(&self, token: &RefreshToken) -> Refreshed<C> {
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
