//! The provider's server reports that a user has logged out there (Back-Channel Logout 1.0).

use axum::{
    Form, Json,
    extract::{Path, State, rejection::FormRejection},
    http::{StatusCode, header::CACHE_CONTROL},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;
use tower_refresh::store::StoreError;

use super::token::{LogoutToken, TokenError, verify};
use crate::{
    App, accounts,
    logins::{Ends, Logout},
    provider::Provider,
};

#[derive(Deserialize)]
pub(crate) struct LogoutForm {
    logout_token: String,
}

/// 200, or 400 for everything else (§2.8), also if the logout has failed: then the provider may send the token again.
pub(crate) async fn backchannel(
    State(app): State<App>,
    Path(provider): Path<String>,
    form: Result<Form<LogoutForm>, FormRejection>,
) -> Response {
    let result = match (app.provider(&provider), form) {
        (Some(provider), Ok(Form(form))) => log_out(&app, provider, &form.logout_token).await,
        (None, _) => Err("there is no such provider"),
        (_, Err(_)) => Err("logout_token is missing"),
    };
    let no_store = [(CACHE_CONTROL, "no-store")];
    match result {
        Ok(()) => (StatusCode::OK, no_store).into_response(),
        Err(reason) => {
            let error = json!({ "error": "invalid_request", "error_description": reason });
            (StatusCode::BAD_REQUEST, no_store, Json(error)).into_response()
        }
    }
}

async fn log_out(app: &App, provider: &Provider, token: &str) -> Result<(), &'static str> {
    let now = app.auth.now();
    let metadata = provider.metadata(now).await.map_err(|_| "the keys cannot be loaded")?;
    let token = match verify(token, &provider.settings, metadata.jwks(), now) {
        // The provider may have a new key.
        Err(TokenError::UnknownKey) => {
            let newer =
                provider.newer_metadata(&metadata, now).await.map_err(|_| "the keys cannot be loaded")?;
            verify(token, &provider.settings, newer.jwks(), now)
        }
        result => result,
    };
    let LogoutToken { jti, sub, sid, issued_at } = token.map_err(|error| match error {
        TokenError::UnknownKey => "no key has this identifier",
        TokenError::Invalid(reason) => reason,
    })?;
    let subject =
        sub.map(|sub| accounts::subject(provider.issuer(), &sub).ok_or("sub is invalid")).transpose()?;
    let ends = match (sid, subject) {
        (Some(sid), subject) => Ends::Session { sid, subject },
        (None, Some(subject)) => Ends::User(subject),
        (None, None) => return Err("neither sub nor sid"),
    };
    let user = if let Ends::User(subject) = &ends { Some(subject.clone()) } else { None };
    let issuer = provider.issuer().to_string();
    let logout = Logout { issuer: issuer.clone(), jti: jti.clone(), ends, issued_at };
    // Before the sessions end: a login that is under way is refused from now on.
    let sessions = app.logins.record(logout, now).map_err(|_| "this token was accepted before")?;
    let result: Result<(), StoreError> = async {
        for session in sessions {
            app.auth.end_session(session).await?;
            app.logins.remove(session, now);
        }
        if let Some(user) = user {
            app.auth.end_subject(user).await?;
        }
        Ok(())
    }
    .await;
    result.map_err(|_| {
        app.logins.forget(&issuer, &jti, now);
        "the session cannot be ended at the moment"
    })
}
