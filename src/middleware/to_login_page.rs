//! The response of a layer with a login page.

use bytes::Bytes;
use http::{Response, request::Parts};

use super::require::{RequireAuthLayer, RespondToRejection};
use crate::{
    Rejection,
    login_page::{InvalidLoginPage, LoginPage},
};

/// Sends people who must log in to a login page, and responds to all others as `R` does.
/// [`RequireAuthLayer::login_page`] makes it.
#[derive(Clone, Debug)]
pub struct ToLoginPage<R> {
    page: LoginPage,
    otherwise: R,
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
        let page = LoginPage::new(path.into())?;
        Ok(self.map_response(|otherwise| ToLoginPage { page, otherwise }))
    }
}

impl<B: From<Bytes>, R: RespondToRejection<B>> RespondToRejection<B> for ToLoginPage<R> {
    fn respond(&self, rejection: &Rejection, request: &Parts) -> Response<B> {
        match rejection.lead_to(&self.page, request) {
            Some(response) => response.map(B::from),
            None => self.otherwise.respond(&rejection.clone().with_remedy(None), request),
        }
    }
}
