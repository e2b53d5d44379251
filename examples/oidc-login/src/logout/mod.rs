//! Logging out: here and at the provider (RP-Initiated Logout 1.0), and from there (Back-Channel Logout 1.0).

mod backchannel;
mod token;

use axum::{
    extract::{Query, State},
    http::{
        HeaderMap, StatusCode,
        header::{COOKIE, LOCATION},
    },
    response::{IntoResponse, Redirect, Response},
};
use openidconnect::{CsrfToken, LogoutRequest, PostLogoutRedirectUrl, url::Url};
use serde::Deserialize;
use tower_refresh::{Rejection, Session};

pub(crate) use self::backchannel::backchannel;
use crate::{App, User, login::set_cookie, logins::Login, pages, provider::ProviderIdToken};

/// Has the `state` of a logout that is on its way.
const COOKIE_NAME: &str = "__Host-logout";

/// Ends the session here first: what the provider does, or whether the browser ever gets there, does not change that.
pub(crate) async fn logout(State(app): State<App>, session: Session<User>) -> Result<Response, Rejection> {
    let handle = session.current();
    session.logout().await?;
    let login = handle.and_then(|handle| app.logins.remove(handle, app.auth.now()));
    let state = CsrfToken::new_random();
    let Some(url) = provider_url(&app, login, &state).await else {
        return Ok(Redirect::to("/").into_response());
    };
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, url.as_str())]).into_response();
    let state = state.secret();
    set_cookie(
        &mut response,
        &format!("{COOKIE_NAME}={state}; Max-Age=600; Path=/; Secure; HttpOnly; SameSite=Lax"),
    );
    Ok(response)
}

/// Where the user logs out at the provider. `None` if this session did not begin there, or the provider has no such page.
async fn provider_url(app: &App, login: Option<Login>, state: &CsrfToken) -> Option<Url> {
    let login = login?;
    let provider = app.providers.iter().find(|provider| provider.issuer().as_str() == login.issuer)?;
    let metadata = provider.metadata(app.auth.now()).await.ok()?;
    let endpoint = metadata.additional_metadata().end_session_endpoint.clone()?;
    let hint: ProviderIdToken = login.id_token.parse().ok()?;
    let back = PostLogoutRedirectUrl::new(format!("{}/logged-out", app.url)).ok()?;
    let request = LogoutRequest::from(endpoint)
        .set_client_id(provider.settings.client_id.clone())
        .set_id_token_hint(&hint)
        .set_post_logout_redirect_uri(back)
        .set_state(state.clone());
    Some(request.http_get_url())
}

#[derive(Deserialize)]
pub(crate) struct LoggedOut {
    #[serde(default)]
    state: String,
}

/// The way back from the provider. It ends nothing: any page can send the browser here.
pub(crate) async fn logged_out(headers: HeaderMap, Query(query): Query<LoggedOut>) -> Response {
    let fields = headers.get_all(COOKIE).iter().filter_map(|field| field.to_str().ok());
    let mut pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
    if !pairs.any(|(name, value)| name == COOKIE_NAME && !value.is_empty() && value == query.state) {
        return Redirect::to("/").into_response();
    }
    let mut response = pages::logged_out().into_response();
    set_cookie(&mut response, &format!("{COOKIE_NAME}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"));
    response
}
