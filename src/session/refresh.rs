//! Refreshing on demand.

use std::sync::Arc;

use super::{Session, TokenResponse};
use crate::{
    CustomClaims, RejectionKind,
    auth::settings::Channel,
    refresh::{Committed, Issued, Live, Loaded, Mode, ask_again, commit},
    rejection::Rejection,
    state::Change,
    token::RefreshToken,
};

impl<C: CustomClaims> Session<C> {
    /// Refreshes now, also while the access token is valid: both halves back to back, the first one being the layer's
    /// if it has refreshed this request already. The claims are asked for after this call, so a role that the handler has
    /// changed takes effect. The refresh token goes out in its cookie only.
    ///
    /// # Errors
    /// [`RejectionKind::CrossSite`]; the request's own rejection if its bearer header is refused;
    /// [`RejectionKind::Unauthenticated`] without a refresh token that holds;
    /// [`RejectionKind::Unavailable`] if the store or the claims source fails; [`RejectionKind::Overtaken`] if other
    /// requests kept moving the session on; [`RejectionKind::Sealed`].
    ///
    /// What it came to is final for this request: the layer does not try once more.
    ///
    /// # Cancel safety
    /// Dropped midway it may have rotated, which counts as a response that was lost.
    pub async fn refresh(&self) -> Result<TokenResponse, Rejection> {
        self.writable()?;
        match self.state.change()? {
            None => {}
            Some(Change::LoggedIn { issued, .. } | Change::Refreshed { issued }) => {
                return self.respond(&issued);
            }
            Some(Change::LoggedInNative { .. } | Change::LoggedOut) => {
                return Err(self.reject(RejectionKind::Unauthenticated));
            }
        }
        let user = self.state.user()?;
        let token = self.state.presented().token();
        let token = token.ok_or_else(|| self.reject(RejectionKind::Unauthenticated))?;
        // A bearer header of one session and a refresh cookie of another: two users in one request.
        if self.state.origin.channel == Channel::Header
            && user.is_some_and(|user| user.session != token.handle)
        {
            return Err(self.reject(RejectionKind::Unauthenticated));
        }
        let shared = &self.state.shared;
        let (loaded, is_older) = match &self.state.loaded {
            Some(loaded) if !matches!(**loaded, Loaded::Confirmed(_)) => (loaded.clone(), true),
            _ => {
                let (flight, is_older) = shared.flights.join_telling(shared, token, Mode::Deciding);
                (flight.await, is_older)
            }
        };
        // The handler may have changed a role since.
        let loaded = match &*loaded {
            Loaded::Live(live) if is_older => Arc::new(ask_again(shared, live).await),
            _ => loaded,
        };
        match &*loaded {
            Loaded::Live(live) => self.commit(token, live).await,
            Loaded::Dead(_) | Loaded::Confirmed(_) => Err(self.reject(RejectionKind::Unauthenticated)),
            Loaded::Unavailable => Err(self.reject(RejectionKind::Unavailable)),
        }
    }

    async fn commit(&self, token: &RefreshToken, live: &Live<C>) -> Result<TokenResponse, Rejection> {
        let (issued, response) = match commit(&self.state.shared, token, live).await {
            Committed::Sent(issued) => {
                let response = self.respond(&issued);
                (issued, response)
            }
            Committed::NotLive => (Issued::default(), Err(self.reject(RejectionKind::Unauthenticated))),
            Committed::Overtaken => (Issued::default(), Err(self.reject(RejectionKind::Overtaken))),
            Committed::Unavailable => (Issued::default(), Err(self.reject(RejectionKind::Unavailable))),
        };
        // Without tokens too: the layer does not try once more behind a response that says it failed.
        self.state.set_change(Change::Refreshed { issued })?;
        response
    }

    fn respond(&self, issued: &Issued) -> Result<TokenResponse, Rejection> {
        let access = issued.access.as_ref().ok_or_else(|| self.reject(RejectionKind::Unavailable))?;
        Ok(TokenResponse::new(access, self.state.shared.settings.access_token_in_body))
    }
}
