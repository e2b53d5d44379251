//! Logging in native clients.

use tower_refresh_core::{SessionHandle, Subject};

use super::{LoginOptions, Session, login::Begun};
use crate::{
    CustomClaims, NativeTokenResponse, RejectionKind, auth::settings::Channel, rejection::Rejection,
    state::Change, token::Carrier,
};

impl<C: CustomClaims> Session<C> {
    /// Logs `subject` in on a native, mobile or command line client: the refresh token is in the answer's body (RFC 6749
    /// §5.1) and in no cookie, and the client exchanges it by [`Auth::refresh_token_grant`](crate::Auth::refresh_token_grant),
    /// never by cookie. The caller has checked who the user is.
    ///
    /// It is a login like [`login`](Self::login): always a new session, and the one of the request's bearer token, if it
    /// has one, is ended as superseded. Cookies are neither read nor set nor removed.
    ///
    /// **A browser never gets a refresh token by this**, where a script of the page could read it: requests with `Origin`
    /// or a `Sec-Fetch-…` field are refused, also those of [trusted origins](crate::AuthBuilder::trusted_origin). Browsers
    /// send one with every POST, and scripts can neither forge nor leave them out. (A GET over plain HTTP may have neither:
    /// let it be a POST.) Applications whose requests a web view sends log in by [`login`](Self::login), and keep cookies.
    ///
    /// # Errors
    /// [`RejectionKind::FromBrowser`]; else as [`login`](Self::login).
    ///
    /// # Cancel safety
    /// As [`login`](Self::login).
    pub async fn login_native(&self, subject: impl Into<Subject>) -> Result<NativeTokenResponse, Rejection> {
        self.login_native_with(subject, LoginOptions::new()).await
    }

    /// Logs `subject` in, as [`login_native`](Self::login_native), with `options`. A label, such as the name of the device,
    /// tells the user which session this is.
    ///
    /// # Errors
    /// As there.
    pub async fn login_native_with(
        &self,
        subject: impl Into<Subject>,
        options: LoginOptions,
    ) -> Result<NativeTokenResponse, Rejection> {
        self.writable()?;
        if self.state.origin.browser {
            self.state.shared.refused(&RejectionKind::FromBrowser, None);
            return Err(self.reject(RejectionKind::FromBrowser));
        }
        let Begun { row, access, refresh } = self.begin(subject.into(), options, Carrier::Body).await?;
        let change = Change::LoggedInNative { session: row.handle, subject: row.subject.clone() };
        self.replace(self.held_without_cookies()?, &row, change).await?;
        Ok(NativeTokenResponse::new(access, Some(refresh)))
    }

    /// The sessions of the bearer header, and one that this request logged in to.
    fn held_without_cookies(&self) -> Result<Vec<SessionHandle>, Rejection> {
        let origin = &self.state.origin;
        let by_header = origin.access_session.filter(|_| origin.channel == Channel::Header);
        let made = self.made()?.filter(|made| by_header != Some(*made));
        Ok([by_header, made].into_iter().flatten().collect())
    }
}
