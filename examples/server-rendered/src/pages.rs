//! The pages. maud escapes all values.

use axum::{
    body::Bytes,
    extract::Query,
    http::{
        HeaderMap, HeaderValue, Response, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
        },
        request::Parts,
    },
    response::IntoResponse,
};
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;
use tower_refresh::{Authenticated, Rejection, RejectionKind, Session};

use crate::User;

pub(crate) async fn home(user: Option<Authenticated<User>>) -> impl IntoResponse {
    let name = user.map(|user| user.claims().name.clone());
    page(
        StatusCode::OK,
        "Welcome",
        &html! {
            @match &name {
                Some(name) => p { "Hello " (name) "." },
                None => p { "You are not logged in. " a href="/login" { "Log in" } },
            }
        },
    )
}

pub(crate) fn login(status: StatusCode, next: &str, wrong: Option<&str>) -> impl IntoResponse {
    page(
        status,
        "Log in",
        &html! {
            @if let Some(wrong) = wrong { p role="alert" { (wrong) } }
            form method="post" action="/login" {
                p { label { "Name " input name="username" autocomplete="username" required; } }
                p { label { "Password " input name="password" type="password" autocomplete="current-password" required; } }
                input type="hidden" name="next" value=(next);
                button { "Log in" }
            }
        },
    )
}

pub(crate) async fn account(user: Authenticated<User>) -> impl IntoResponse {
    page(
        StatusCode::OK,
        "Account",
        &html! {
            p { (user.claims().name) ", known here as " code { (user.subject()) } "." }
        },
    )
}

/// Of the session after which the page begins.
#[derive(Deserialize)]
pub(crate) struct After {
    after: Option<String>,
}

pub(crate) async fn sessions(
    session: Session<User>,
    Query(After { after }): Query<After>,
) -> Result<impl IntoResponse, Rejection> {
    let current = session.current();
    // What is no handle shows the first page.
    let list = session.list(after.and_then(|after| after.parse().ok())).await?;
    Ok(page(
        StatusCode::OK,
        "Sessions",
        &html! {
            ul {
                @for info in &list {
                    li {
                        (info.user_agent().unwrap_or("an unknown browser"))
                        @if Some(info.handle()) == current { " (this one)" }
                        form method="post" action="/sessions/end" {
                            button name="session" value=(info.handle()) { "End" }
                        }
                    }
                }
            }
            @if let Some(next) = list.next() { a href=(format!("/sessions?after={next}")) { "More" } }
        },
    ))
}

pub(crate) async fn users() -> impl IntoResponse {
    page(StatusCode::OK, "Users", &html! { ul { li { "alice" } li { "admin" } } })
}

/// The page for a rejected request, instead of a problem document.
pub(crate) fn rejection(rejection: &Rejection, _request: &Parts) -> Response<Bytes> {
    let (status, headers, body) = page(
        rejection.status(),
        "This cannot be shown",
        &html! {
            p { (match rejection.kind() {
                RejectionKind::InsufficientScope { .. } => "You do not have permission to view this page.",
                RejectionKind::CrossSite => "The request came from another site and was ignored.",
                RejectionKind::Unavailable => "Your login cannot be checked at the moment. Try again soon: you are still logged in.",
                RejectionKind::SessionNotFound => "There is no such session.",
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

/// A page that the browser keeps in its back/forward cache, `no-store` or not, is hidden when the user leaves it, and requested again
/// when the user returns: the session may have ended meanwhile. It is requested as a GET, so that no form is sent again.
pub(crate) async fn history_script() -> impl IntoResponse {
    const SCRIPT: &str = "\
addEventListener('pagehide', () => { document.documentElement.hidden = true; });
addEventListener('pageshow', (event) => {
  if (event.persisted) location.replace(location.pathname + location.search);
});
";
    let headers = [
        (CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (CACHE_CONTROL, "max-age=3600"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, SCRIPT)
}

/// Every page contains user data, so no cache may store it. Pages load nothing from other sites and run only the script above,
/// forms submit only to this site, and no other site can show a page in a frame, where it could trick the user into a click on
/// *End*.
fn page(status: StatusCode, title: &str, content: &Markup) -> (StatusCode, HeaderMap, String) {
    const POLICY: &str =
        "default-src 'none'; script-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "private, no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                title { (title) }
                meta name="viewport" content="width=device-width";
                script src="/history.js" {}
            }
            body {
                nav {
                    a href="/" { "Home" } " " a href="/account" { "Account" } " "
                    a href="/sessions" { "Sessions" } " " a href="/users" { "Users" }
                    form method="post" action="/logout" { button { "Log out" } }
                }
                h1 { (title) }
                (content)
            }
        }
    };
    (status, headers.into_iter().collect(), page.into_string())
}
