//! Logging in native clients.

use tower_refresh_core::{SessionHandle, Subject};

use super::{LoginOptions, Session, login::NewSession};
use crate::{
    CustomClaims, NativeTokenResponse, RejectionKind, refresh_token::RefreshTransport, rejection::Rejection,
    settings::AccessTransport, state::Change,
};

impl<C: CustomClaims> Session<C> {
    /// Logs `subject` in on a native, mobile or command line client. The refresh token is in the body of the response (RFC 6749
    /// §5.1) and in no cookie, and the client exchanges it with
    /// [`Auth::refresh_token_grant`](crate::Auth::refresh_token_grant). The caller must have authenticated the user.
    ///
    /// As with [`login`](Self::login), the login always starts a new session, and the session of the request's bearer token, if
    /// there is one, is ended as superseded. Cookies are neither read nor set nor removed.
    ///
    /// **A browser never receives a refresh token this way**, because a script of the page could read it. Requests with `Origin`
    /// or `Sec-Fetch-Site` are rejected, those of [trusted origins](crate::AuthBuilder::trusted_origin) too. Browsers send one of
    /// these headers with every POST, and scripts can neither forge nor omit them. (A GET over plain HTTP may have neither: use
    /// POST.) Applications whose requests a web view sends use [`login`](Self::login), and keep cookies. A native client that sends
    /// an `Origin` needs [`AuthBuilder::insecure_is_browser`](crate::AuthBuilder::insecure_is_browser).
    ///
    /// # Errors
    /// [`RejectionKind::FromBrowser`]; otherwise as [`login`](Self::login).
    ///
    /// # Cancel safety
    /// As [`login`](Self::login).
    pub async fn login_native(&self, subject: impl Into<Subject>) -> Result<NativeTokenResponse, Rejection> {
        self.login_native_with(subject, LoginOptions::new()).await
    }

    /// Logs `subject` in, as [`login_native`](Self::login_native), with `options`. With a label, such as the name of the device,
    /// the user recognises the session. [`LoginOptions::remember`] has no meaning here.
    ///
    /// # Errors
    /// As [`login_native`](Self::login_native), and [`RejectionKind::InvalidLoginOptions`], before any call of the store.
    pub async fn login_native_with(
        &self,
        subject: impl Into<Subject>,
        options: LoginOptions,
    ) -> Result<NativeTokenResponse, Rejection> {
        self.check_native()?;
        let room = self.room(&options);
        let NewSession { row, user, access, refresh } =
            self.prepare_session(subject.into(), options, RefreshTransport::Body).await?;
        let former = self.client_sessions_without_cookies()?;
        self.replace(None, former, &row, room, Change::LoggedInNative { user }).await?;
        Ok(NativeTokenResponse::new(access, Some(refresh)))
    }

    /// Checks that the request may have a refresh token in the body of its response.
    pub(super) fn check_native(&self) -> Result<(), Rejection> {
        self.check_not_sealed()?;
        if self.state.info.sender.is_from_browser {
            let kind = RejectionKind::FromBrowser;
            self.report(&kind);
            return Err(self.reject(kind));
        }
        Ok(())
    }

    /// The session of the bearer token, and the one that this request has started.
    pub(super) fn client_sessions_without_cookies(&self) -> Result<Vec<SessionHandle>, Rejection> {
        let info = &self.state.info;
        let bearer = info.access_session.filter(|_| info.transport == AccessTransport::Header);
        let started = self.started_session()?.filter(|started| bearer != Some(*started));
        Ok([bearer, started].into_iter().flatten().collect())
    }
}
