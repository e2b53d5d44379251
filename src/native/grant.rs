//! The refresh token grant (RFC 6749 §6).

use std::iter;

use super::{NativeTokenResponse, TokenError, form::TokenRequest};
use crate::{Auth, CustomClaims, event::ClientInfo, refresh::Mode, refresh_token::RefreshTransport};

impl<C: CustomClaims> Auth<C> {
    /// Exchanges the refresh token of a native client (RFC 6749 §6), which it received from
    /// [`Session::login_native`](crate::Session::login_native). `form` is the body of the request, of type
    /// `application/x-www-form-urlencoded` and at most 4096 bytes. With axum, use `Auth::token_route`; without it:
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
    /// | `scope` | optional. A scope that exceeds the user's is rejected; a narrower one is ignored, as RFC 6749 §3.3 allows: the `scope` of the response is what was granted |
    ///
    /// Other parameters are ignored, `client_id` and `client_secret` too: clients are not registered, and the token alone
    /// authenticates. No parameter may occur twice.
    ///
    /// The protocol is that of the cookie, with the same policy for grace, damping, late budget and reuse detection; load and
    /// commit run back to back. A response need not contain a new refresh token, and then **the client keeps the one that it
    /// has**. Concurrent requests with one token, and a request that is repeated because its response was lost, all receive the
    /// same successor.
    ///
    /// Its events have neither the address nor the user agent of the client, unlike those of `Auth::token_route`.
    ///
    /// # Errors
    /// [`TokenError::InvalidRequest`], [`UnsupportedGrantType`](TokenError::UnsupportedGrantType) and
    /// [`InvalidScope`](TokenError::InvalidScope) for an invalid form; [`InvalidGrant`](TokenError::InvalidGrant) for a token
    /// that is invalid, expired, revoked or reused, or is one of a refresh cookie; [`LoginRequired`](TokenError::LoginRequired) if
    /// [`AuthBuilder::assess`](crate::AuthBuilder::assess) says so; [`Unavailable`](TokenError::Unavailable) if
    /// the store or the claims source fails; [`InvalidClaims`](TokenError::InvalidClaims) if the user's claims do not fit into an
    /// access token; [`Overtaken`](TokenError::Overtaken).
    ///
    /// # Cancel safety
    /// If the future is dropped before it completes, the session may have been rotated, which counts as a lost response.
    pub async fn refresh_token_grant(&self, form: &[u8]) -> Result<NativeTokenResponse, TokenError> {
        self.grant(form, ClientInfo::NONE).await
    }

    /// The same for a refresh token that the client sent in another way than in a form, such as in a JSON body.
    ///
    /// # Errors
    /// As [`refresh_token_grant`](Self::refresh_token_grant), but none about the form.
    ///
    /// # Cancel safety
    /// As [`refresh_token_grant`](Self::refresh_token_grant).
    pub async fn refresh_native(&self, refresh_token: &str) -> Result<NativeTokenResponse, TokenError> {
        self.exchange_native(refresh_token.as_bytes(), None, ClientInfo::NONE).await
    }

    /// [`refresh_token_grant`](Self::refresh_token_grant) for a request of `client`.
    pub(super) async fn grant(
        &self,
        form: &[u8],
        client: &ClientInfo,
    ) -> Result<NativeTokenResponse, TokenError> {
        let request = TokenRequest::read(form)?;
        self.exchange_native(request.refresh_token.as_slice(), request.scope.as_deref(), client).await
    }

    async fn exchange_native(
        &self,
        refresh_token: &[u8],
        scope: Option<&str>,
        client: &ClientInfo,
    ) -> Result<NativeTokenResponse, TokenError> {
        let text = iter::once(refresh_token);
        let presented =
            self.inner.read_refresh_tokens(text, RefreshTransport::Body, client, self.inner.now());
        let token = presented.token().ok_or(TokenError::InvalidGrant)?;
        let loaded = self.inner.refresher.load(token, Mode::Deciding, client).await;
        let live = loaded.live()?;
        // Before the commit, so that a rejected request has rotated nothing.
        if scope.is_some_and(|scope| !live.user.user.has_scope(scope)) {
            return Err(TokenError::InvalidScope);
        }
        let (issued, _) = self.inner.refresher.exchange(token, live, client).await?;
        let access = issued.access.ok_or(TokenError::Unavailable)?;
        Ok(NativeTokenResponse::new(access, issued.refresh))
    }
}
