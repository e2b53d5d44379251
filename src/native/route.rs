//! The token endpoint (RFC 6749 §3.2).

use axum::{
    Router,
    body::to_bytes,
    extract::{Request, State},
    http::{
        HeaderMap,
        header::{CONTENT_TYPE, USER_AGENT},
    },
    routing::post,
};

use super::{NativeTokenResponse, TokenError, form::LARGEST_FORM};
use crate::{Auth, CustomClaims, event::ClientInfo, state::suppress_tokens};

impl<C: CustomClaims> Auth<C> {
    /// `POST /auth/token` for axum: native, mobile and command line clients exchange their refresh token, with
    /// [`refresh_token_grant`](Self::refresh_token_grant). Services for browsers only do not need it, so it is not one of
    /// [`routes`](Self::routes). Merge it inside [`layer`](Self::layer) or outside:
    ///
    /// ```
    /// use axum::{Router, routing::post};
    /// use tower_refresh::{Auth, NativeTokenResponse, Rejection, Session};
    ///
    /// async fn login(session: Session<()>) -> Result<NativeTokenResponse, Rejection> {
    ///     // … after checking the password:
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
    /// The request is a form (`application/x-www-form-urlencoded`), the response a [`NativeTokenResponse`] or a [`TokenError`].
    /// Cookies and `Authorization` are ignored, and no cookie is set or removed. The cross-site rules do not apply, since a
    /// browser attaches no credentials to this request by itself. A native client logs out with `POST /auth/logout` and its access
    /// token as `Authorization: Bearer`, expired or not.
    ///
    /// The server limits how long a client may take to send its form, as for any body.
    pub fn token_route<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        Router::new().route("/auth/token", post(token::<C>)).with_state(self.clone())
    }
}

async fn token<C: CustomClaims>(
    State(auth): State<Auth<C>>,
    request: Request,
) -> Result<NativeTokenResponse, TokenError> {
    let client = client(&auth, &request);
    // If the client has cookies as well, their session must not be refreshed here.
    suppress_tokens(request.extensions());
    if !is_form(request.headers()) {
        let reason = "the content type must be application/x-www-form-urlencoded";
        return Err(TokenError::InvalidRequest { reason });
    }
    let form = to_bytes(request.into_body(), LARGEST_FORM).await;
    let form =
        form.map_err(|_| TokenError::InvalidRequest { reason: "the form is too large or truncated" })?;
    auth.grant(&form, &client).await
}

fn client<C: CustomClaims>(auth: &Auth<C>, request: &Request) -> ClientInfo {
    let ip = auth.inner.settings.client_ip.as_ref();
    ClientInfo {
        ip: ip.and_then(|ip| ip(request.headers(), request.extensions())),
        user_agent: request.headers().get(USER_AGENT).cloned(),
        refresh_skipped: None,
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let mut fields = headers.get_all(CONTENT_TYPE).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return false };
    let essence = field.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}
