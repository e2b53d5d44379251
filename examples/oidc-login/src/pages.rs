//! The pages. maud escapes all values.

use axum::{
    body::Bytes,
    extract::State,
    http::{
        HeaderMap, HeaderValue, Response, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER,
            WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
        },
        request::Parts,
    },
    response::IntoResponse,
};
use maud::{DOCTYPE, Markup, html};
use openidconnect::url::form_urlencoded;
use tower_refresh::{Authenticated, Rejection, RejectionKind};

use crate::{App, User};

pub(crate) async fn home(user: Option<Authenticated<User>>) -> impl IntoResponse {
    page(
        StatusCode::OK,
        "Welcome",
        &html! {
            @match &user {
                Some(user) => p { "Hello " (user.claims().name) ", from " (user.claims().provider) "." },
                None => p { "You are not logged in. " a href="/login" { "Log in" } },
            }
        },
    )
}

pub(crate) fn login(app: &App, next: &str) -> impl IntoResponse + use<> {
    let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
    page(
        StatusCode::OK,
        "Log in",
        &html! {
            ul {
                @for provider in app.providers.iter().map(|provider| &provider.settings.name) {
                    li { a id=(provider) href={ "/login/" (provider) "?next=" (next) } { "with " (provider) } }
                }
            }
        },
    )
}

pub(crate) async fn account(State(app): State<App>, user: Authenticated<User>) -> impl IntoResponse {
    let now = app.auth.now();
    let ago = user.auth_time().map(|time| now.saturating_since(time).as_secs());
    page(
        StatusCode::OK,
        "Account",
        &html! {
            dl {
                dt { "Name" } dd { (user.claims().name) }
                dt { "Subject: the issuer and its sub" } dd id="subject" { (user.subject()) }
                dt { "Authenticated at the provider" } dd { (ago.unwrap_or_default()) " seconds ago" }
                dt { "How, in the provider's words (acr)" } dd { (user.claims().acr.as_deref().unwrap_or("it does not say")) }
            }
        },
    )
}

/// Behind `require_recent_login`.
pub(crate) async fn close(user: Authenticated<User>) -> impl IntoResponse {
    let text = html! { p { "Here " (user.claims().name) " could close the account." } };
    page(StatusCode::OK, "Close the account", &text)
}

pub(crate) fn logged_out() -> impl IntoResponse {
    page(StatusCode::OK, "Logged out", &html! { p { "You are logged out, here and at the provider." } })
}

pub(crate) fn failure(status: StatusCode, text: &str) -> impl IntoResponse + use<> {
    let mut page = page(status, "No login", &html! { p { (text) } p { a href="/login" { "Log in" } } });
    if status == StatusCode::SERVICE_UNAVAILABLE {
        page.1.insert(RETRY_AFTER, HeaderValue::from_static("10"));
    }
    page
}

/// The page for a rejected request, instead of a problem document.
pub(crate) fn rejection(rejection: &Rejection, _request: &Parts) -> Response<Bytes> {
    let (status, headers, body) = page(
        rejection.status(),
        "This cannot be shown",
        &html! {
            p { (match rejection.kind() {
                RejectionKind::CrossSite => "The request came from another site and was ignored.",
                RejectionKind::Unavailable => "Your login cannot be checked at the moment. Try again soon: you are still logged in.",
                _ => "Please log in.",
            }) }
        },
    );
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    if let Some(challenge) = rejection.challenge() {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// Every page contains user data, so no cache may store it. No other site can show it in a frame, and no link passes on a URL, which
/// may contain a code.
///
/// The policy says nothing of forms: `form-action` would also apply to the redirect from the logout to the provider.
fn page(status: StatusCode, title: &str, content: &Markup) -> (StatusCode, HeaderMap, String) {
    const POLICY: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "private, no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { title { (title) } meta name="viewport" content="width=device-width"; }
            body {
                nav {
                    a href="/" { "Home" } " " a href="/account" { "Account" } " " a href="/close" { "Close the account" }
                    form method="post" action="/logout" { button { "Log out" } }
                }
                h1 { (title) }
                (content)
            }
        }
    };
    (status, headers.into_iter().collect(), page.into_string())
}
