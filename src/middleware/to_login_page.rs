//! The response of a layer with a login page.

use bytes::Bytes;
use http::{Response, request::Parts};

use super::require::{RequireAuthLayer, RespondToRejection};
use crate::{
    Rejection,
    login_page::{InvalidLoginPage, LoginPage},
};

/// Sends people who must log in, or authenticate again, to a page, and responds to all others as `R` does.
/// [`RequireAuthLayer::login_page`] and [`RequireAuthLayer::reauthenticate_page`] make it.
#[derive(Clone, Debug)]
pub struct ToLoginPage<R> {
    purpose: Purpose,
    page: LoginPage,
    otherwise: R,
}

#[derive(Clone, Copy, Debug)]
enum Purpose {
    Login,
    Reauthentication,
}

impl<R> RequireAuthLayer<R> {
    /// Sends people who must log in to the login page of the application, and back. See
    /// [`AuthBuilder::login_page`](crate::AuthBuilder::login_page), over which it takes precedence.
    ///
    /// ```
    /// # #[cfg(feature = "axum")] {
    /// # use axum::{Router, routing::get};
    /// # use tower_refresh::{Auth, InvalidLoginPage};
    /// fn pages(auth: &Auth<()>) -> Result<Router, InvalidLoginPage> {
    ///     let pages = Router::new().route("/orders", get(|| async { "orders" }));
    ///     Ok(pages.route_layer(auth.require_auth().login_page("/login")?))
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`InvalidLoginPage`] if [`safe_next`](crate::safe_next) refuses `path`, or if it has a parameter `next`. It converts into
    /// [`ConfigError`](crate::ConfigError).
    pub fn login_page(
        self,
        path: impl Into<String>,
    ) -> Result<RequireAuthLayer<ToLoginPage<R>>, InvalidLoginPage> {
        self.with_page(Purpose::Login, path.into())
    }

    /// Sends people whose login is not [recent](crate::Auth::require_recent_login) to a page where they authenticate again, and back:
    /// 303 to `path?next=…`, for the same requests as [`login_page`](Self::login_page). Programs get the 401 of RFC 9470. It applies
    /// to the layer of `require_recent_login`, since only that one rejects users for this reason. Where an anonymous person is sent is
    /// the matter of `login_page`, which can be set beside it.
    ///
    /// The page calls [`Session::reauthenticate`](crate::Session::reauthenticate), and returns to what
    /// [`safe_next`](crate::safe_next) accepts. It must not require a recent login itself.
    ///
    /// ```
    /// # #[cfg(feature = "axum")] {
    /// # use std::time::Duration;
    /// # use axum::{Router, routing::get};
    /// # use tower_refresh::{Auth, InvalidLoginPage};
    /// fn settings(auth: &Auth<()>) -> Result<Router, InvalidLoginPage> {
    ///     let recent = auth.require_recent_login(Duration::from_secs(5 * 60));
    ///     let settings = Router::new().route("/settings/email", get(|| async { "a new address" }));
    ///     Ok(settings.route_layer(recent.login_page("/login")?.reauthenticate_page("/confirm")?))
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`login_page`](Self::login_page).
    pub fn reauthenticate_page(
        self,
        path: impl Into<String>,
    ) -> Result<RequireAuthLayer<ToLoginPage<R>>, InvalidLoginPage> {
        self.with_page(Purpose::Reauthentication, path.into())
    }

    fn with_page(
        self,
        purpose: Purpose,
        path: String,
    ) -> Result<RequireAuthLayer<ToLoginPage<R>>, InvalidLoginPage> {
        let page = LoginPage::new(path)?;
        Ok(self.map_response(|otherwise| ToLoginPage { purpose, page, otherwise }))
    }
}

impl<B: From<Bytes>, R: RespondToRejection<B>> RespondToRejection<B> for ToLoginPage<R> {
    fn respond(&self, rejection: &Rejection, request: &Parts) -> Response<B> {
        let way = match self.purpose {
            Purpose::Login => rejection.lead_to_login(&self.page, request),
            Purpose::Reauthentication => rejection.lead_to_reauthentication(&self.page, request),
        };
        match (way, self.purpose) {
            (Some(response), _) => response.map(B::from),
            (None, Purpose::Reauthentication) => self.otherwise.respond(rejection, request),
            // Not to the builder's login page instead, which this one replaces.
            (None, Purpose::Login) => self.otherwise.respond(&rejection.clone().without_login(), request),
        }
    }
}
