//! The refresh token grant (RFC 6749 §6).

use std::iter;

use super::{NativeTokenResponse, TokenError, form::TokenRequest};
use crate::{
    Auth, CustomClaims,
    refresh::{Committed, Loaded, Mode, commit},
    token::Carrier,
};

impl<C: CustomClaims> Auth<C> {
    /// Exchanges the refresh token of a native client (RFC 6749 §6), which has it from
    /// [`Session::login_native`](crate::Session::login_native). `form` is the body of the request, of type
    /// `application/x-www-form-urlencoded` and at most 4096 bytes. With axum, `Auth::token_route` does it all; this is
    /// for services without:
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::Response;
    /// use tower_refresh::Auth;
    ///
    /// async fn token(auth: &Auth<()>, form: &[u8]) -> Response<Bytes> {
    ///     match auth.refresh_token_grant(form).await {
    ///         Ok(tokens) => tokens.to_response(),
    ///         Err(error) => error.to_response(),
    ///     }
    /// }
    /// ```
    ///
    /// | parameter | |
    /// |---|---|
    /// | `grant_type` | `refresh_token` |
    /// | `refresh_token` | the newest that the client has |
    /// | `scope` | may be left out. More than the user has is refused; less is ignored, as RFC 6749 §3.3 allows: the answer's `scope` says what was granted |
    ///
    /// Others are ignored, `client_id` and `client_secret` too: there are no clients to tell apart, and what counts is the
    /// token. None may be there twice.
    ///
    /// The protocol is that of the cookie: grace, damping, late budget and the detection of reuse, by the same policy,
    /// both halves back to back. So an answer need not bring a new refresh token, and then **the client keeps the one that
    /// it has**. Concurrent requests with one token, and a request that is repeated because the answer was lost, all come
    /// to the same successor.
    ///
    /// # Errors
    /// [`TokenError::InvalidRequest`], [`UnsupportedGrantType`](TokenError::UnsupportedGrantType) and
    /// [`InvalidScope`](TokenError::InvalidScope) for a bad form; [`InvalidGrant`](TokenError::InvalidGrant) for a token
    /// that does not hold, whether forged, expired, ended, used before, or one of a refresh cookie;
    /// [`Unavailable`](TokenError::Unavailable) if the store or the claims source fails;
    /// [`Overtaken`](TokenError::Overtaken).
    ///
    /// # Cancel safety
    /// Dropped midway it may have rotated, which counts as a response that was lost.
    pub async fn refresh_token_grant(&self, form: &[u8]) -> Result<NativeTokenResponse, TokenError> {
        let request = TokenRequest::read(form)?;
        let shared = &self.shared;
        let text = iter::once(request.refresh_token.as_slice());
        let presented = shared.presented(text, Carrier::Body, shared.now());
        let token = presented.token().ok_or(TokenError::InvalidGrant)?;
        let loaded = shared.flights.join(shared, token, Mode::Deciding).await;
        let live = match &*loaded {
            Loaded::Live(live) => live,
            Loaded::Dead(_) | Loaded::Confirmed(_) => return Err(TokenError::InvalidGrant),
            Loaded::Unavailable => return Err(TokenError::Unavailable),
        };
        // Before the second half, so that a refused request has rotated nothing.
        if request.scope.is_some_and(|scope| !live.user.has_scope(&scope)) {
            return Err(TokenError::InvalidScope);
        }
        match commit(shared, token, live).await {
            Committed::Sent(issued) => {
                let access = issued.access.ok_or(TokenError::Unavailable)?;
                Ok(NativeTokenResponse::new(access, issued.refresh))
            }
            Committed::NotLive => Err(TokenError::InvalidGrant),
            Committed::Overtaken => Err(TokenError::Overtaken),
            Committed::Unavailable => Err(TokenError::Unavailable),
        }
    }
}
