//! The token endpoint (RFC 6749 §3.2).

use axum::{
    Router,
    body::to_bytes,
    extract::{Request, State},
    http::{HeaderMap, header::CONTENT_TYPE},
    routing::post,
};

use super::{NativeTokenResponse, TokenError, form::LARGEST_FORM};
use crate::{Auth, CustomClaims, state};

impl<C: CustomClaims> Auth<C> {
    /// `POST /auth/token` for axum: native, mobile and command line clients exchange their refresh token, by
    /// [`refresh_token_grant`](Self::refresh_token_grant). Services that only pages use have no need of it, so it is none
    /// of [`routes`](Self::routes); it is merged by itself, inside [`layer`](Self::layer) or outside:
    ///
    /// ```
    /// use axum::{Router, routing::post};
    /// use tower_refresh::{Auth, NativeTokenResponse, Rejection, Session};
    ///
    /// async fn login(session: Session<()>) -> Result<NativeTokenResponse, Rejection> {
    ///     // … after the password was checked:
    ///     session.login_native("alice").await
    /// }
    ///
    /// fn app(auth: &Auth<()>) -> Router {
    ///     Router::new()
    ///         .route("/token-login", post(login))
    ///         .merge(auth.routes())
    ///         .merge(auth.token_route())
    ///         .layer(auth.layer())
    /// }
    /// ```
    ///
    /// The request is a form (`application/x-www-form-urlencoded`), the answer a [`NativeTokenResponse`] or a
    /// [`TokenError`]. Cookies and `Authorization` count for nothing, and no cookie is set or removed; nor does it matter
    /// from where the request comes, since nothing in it is sent by a browser of its own accord. A native client logs out
    /// by `POST /auth/logout` with its access token as `Authorization: Bearer`, expired or not.
    ///
    /// How long a client may take to send its form is for the server to limit, as for any body.
    pub fn token_route<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        Router::new().route("/auth/token", post(token::<C>)).with_state(self.clone())
    }
}

async fn token<C: CustomClaims>(
    State(auth): State<Auth<C>>,
    request: Request,
) -> Result<NativeTokenResponse, TokenError> {
    // A client that has cookies as well is not to have its cookies' session refreshed here.
    state::send_nothing(request.extensions());
    if !is_form(request.headers()) {
        let reason = "the media type must be application/x-www-form-urlencoded";
        return Err(TokenError::InvalidRequest { reason });
    }
    let form = to_bytes(request.into_body(), LARGEST_FORM).await;
    let form =
        form.map_err(|_| TokenError::InvalidRequest { reason: "the form is too large or cut short" })?;
    auth.refresh_token_grant(&form).await
}

fn is_form(headers: &HeaderMap) -> bool {
    let mut fields = headers.get_all(CONTENT_TYPE).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return false };
    let essence = field.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}
