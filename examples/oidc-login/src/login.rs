//! The way to the provider and back.

use axum::{
    Form,
    extract::{
        Path, Query, State,
        rejection::{FormRejection, QueryRejection},
    },
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{LOCATION, SET_COOKIE},
    },
    response::{IntoResponse, Redirect, Response},
};
use openidconnect::url::form_urlencoded;
use serde::Deserialize;
use tower_refresh::{Authenticated, LoginOptions, ReauthOptions, Rejection, Session, safe_next};

use crate::{
    App, User,
    accounts::Account,
    attempt::Attempt,
    logins::Login,
    pages,
    provider::{Provider, ProviderError, SignedIn},
};

#[derive(Deserialize)]
pub(crate) struct Next {
    #[serde(default)]
    next: String,
}

/// The page to which people are sent who must log in.
pub(crate) async fn choose(
    State(app): State<App>,
    user: Option<Authenticated<User>>,
    Query(query): Query<Next>,
) -> Response {
    let next = safe_next(&query.next).unwrap_or("/");
    match user {
        Some(_) => Redirect::to(next).into_response(),
        None => pages::login(&app, next).into_response(),
    }
}

pub(crate) async fn start(
    State(app): State<App>,
    Path(provider): Path<String>,
    Query(query): Query<Next>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    go_to_provider(&app, &provider, &query.next, false, &headers).await
}

/// The page to which people are sent whose login is too old for something dangerous.
pub(crate) async fn confirm(
    State(app): State<App>,
    user: Authenticated<User>,
    Query(query): Query<Next>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    go_to_provider(&app, &user.claims().provider, &query.next, true, &headers).await
}

async fn go_to_provider(
    app: &App,
    provider: &str,
    next: &str,
    reauthenticate: bool,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let now = app.auth.now();
    let provider = app.provider(provider).ok_or(Failure::UnknownProvider)?;
    let attempt = Attempt::new(&provider.settings.name, next, reauthenticate, now);
    let url = provider.authorization_url(&attempt, now).await?;
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, url.as_str())]).into_response();
    for removal in Attempt::make_room(headers) {
        set_cookie(&mut response, &removal);
    }
    set_cookie(&mut response, &attempt.cookie().map_err(|_| Failure::Internal)?);
    Ok(response)
}

/// The parameters of a response of the provider (RFC 6749 §4.1.2, RFC 9207 §2). Twice the same is an error.
#[derive(Deserialize)]
pub(crate) struct Answer {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// `response_mode=form_post`: the browser submits a form of the provider's page. That is a POST from another site, with which
/// browsers send no cookies, and the layer would ignore them. So it becomes the redirect that the provider did not send.
///
/// The code is then in a URL. Nothing can be done with it without the attempt's cookie.
pub(crate) async fn form_post(
    Path(provider): Path<String>,
    form: Result<Form<Answer>, FormRejection>,
) -> Response {
    let Ok(Form(answer)) = form else { return Failure::NoAttempt.into_response() };
    let mut url =
        format!("/callback/{}?", form_urlencoded::byte_serialize(provider.as_bytes()).collect::<String>());
    let mut query = form_urlencoded::Serializer::new(String::new());
    let parameters =
        [("code", answer.code), ("state", answer.state), ("iss", answer.iss), ("error", answer.error)];
    for (name, value) in parameters {
        query.extend_pairs(value.map(|value| (name, value)));
    }
    url.push_str(&query.finish());
    Redirect::to(&url).into_response()
}

pub(crate) async fn callback(
    State(app): State<App>,
    Path(provider): Path<String>,
    user: Option<Authenticated<User>>,
    session: Session<User>,
    headers: HeaderMap,
    answer: Result<Query<Answer>, QueryRejection>,
) -> Result<Response, Failure> {
    let provider = app.provider(&provider).ok_or(Failure::UnknownProvider)?;
    // Without the cookie, somebody else may have started this login, to have the user act in the wrong account.
    let Query(answer) = answer.map_err(|_| Failure::NoAttempt)?;
    let state = answer.state.as_deref().ok_or(Failure::NoAttempt)?;
    let attempt = Attempt::find(&headers, state, app.auth.now()).ok_or(Failure::NoAttempt)?;
    if attempt.provider != provider.settings.name {
        return Err(Failure::NoAttempt);
    }
    let mut response = finish(&app, provider, &attempt, answer, user, session).await.into_response();
    set_cookie(&mut response, &attempt.removal());
    Ok(response)
}

async fn finish(
    app: &App,
    provider: &Provider,
    attempt: &Attempt,
    answer: Answer,
    user: Option<Authenticated<User>>,
    session: Session<User>,
) -> Result<Redirect, Failure> {
    let now = app.auth.now();
    provider.check_issuer(answer.iss.as_deref(), now).await?;
    let code = match (answer.code, answer.error) {
        (Some(code), None) => code,
        (None, Some(error)) if error == "access_denied" => return Err(Failure::Denied),
        _ => return Err(Failure::NoCode),
    };
    let signed_in = provider.sign_in(code, attempt, now).await?;
    if attempt.reauthenticate && !signed_in.is_authenticated_since(attempt.started_at()) {
        return Err(Failure::NotReauthenticated);
    }
    let login = Login {
        subject: signed_in.subject.clone(),
        issuer: provider.issuer().to_string(),
        sid: signed_in.sid.clone(),
        id_token: signed_in.id_token.clone(),
        issued_at: signed_in.issued_at,
        expires_at: now.saturating_add(app.longest_session),
    };
    // Without a session there is none that the store can fail to end.
    app.logins.check(&login, now).map_err(|_| Failure::LoggedOutMeanwhile)?;
    let SignedIn { subject, name, .. } = &signed_in;
    let account = Account { name: name.clone(), provider: provider.settings.name.clone() };
    app.accounts.save(subject.clone(), account);
    let former = session.current();
    let (acr, at) = (signed_in.acr.clone().unwrap_or_default(), signed_in.authenticated_at());
    if attempt.reauthenticate && user.is_some_and(|user| user.subject() == subject) {
        session.reauthenticate(ReauthOptions::new().authenticated_at(at).data(acr)).await?;
    } else {
        session.login_with(subject.clone(), LoginOptions::new().authenticated_at(at).data(acr)).await?;
    }
    // It has ended.
    former.and_then(|former| app.logins.remove(former, now));
    let handle = session.current().ok_or(Failure::Internal)?;
    if app.logins.insert(handle, login, now).is_err() {
        session.logout().await?;
        return Err(Failure::LoggedOutMeanwhile);
    }
    Ok(Redirect::to(attempt.next()))
}

pub(crate) fn set_cookie(response: &mut Response, cookie: &str) {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}

/// Why there is no login.
pub(crate) enum Failure {
    UnknownProvider,
    /// This browser has not started the login that the response belongs to, or has finished it.
    NoAttempt,
    NoCode,
    Denied,
    NotReauthenticated,
    LoggedOutMeanwhile,
    Internal,
    Provider(ProviderError),
    Rejected(Rejection),
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Rejected(rejection) => return rejection.into_response(),
            Self::UnknownProvider => (StatusCode::NOT_FOUND, "There is no such provider."),
            Self::NoAttempt => (StatusCode::BAD_REQUEST, "This login was not started here, or is over."),
            Self::NoCode => (StatusCode::BAD_REQUEST, "The provider reports an error."),
            Self::Denied => (StatusCode::FORBIDDEN, "You have not allowed the login."),
            Self::NotReauthenticated => (
                StatusCode::FORBIDDEN,
                "The provider has not asked you to log in again, so this is not possible.",
            ),
            Self::LoggedOutMeanwhile => {
                (StatusCode::FORBIDDEN, "You have logged out at the provider meanwhile.")
            }
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "An error of this application."),
            Self::Provider(error) => {
                eprintln!("{error}");
                match error {
                    ProviderError::WrongIssuer | ProviderError::Refused(_) => {
                        (StatusCode::BAD_REQUEST, "The response does not belong to a login of this provider.")
                    }
                    ProviderError::Unreadable
                    | ProviderError::NoIdToken
                    | ProviderError::InvalidIdToken(_) => {
                        (StatusCode::BAD_GATEWAY, "The provider's answer is invalid.")
                    }
                    ProviderError::Unreachable(_) => {
                        (StatusCode::SERVICE_UNAVAILABLE, "The provider does not respond. Try again soon.")
                    }
                }
            }
        };
        pages::failure(status, text).into_response()
    }
}
