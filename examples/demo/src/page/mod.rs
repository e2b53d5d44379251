//! The page and its files, embedded in the program.

use axum::{
    Router,
    extract::Query,
    http::{
        HeaderName, HeaderValue,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::IntoResponse,
    routing::get,
};
use tower_refresh::safe_next;

/// Allows only these files, and requests to this server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page. It is behind the authentication layer, so opening it refreshes the access token.
pub(crate) fn index() -> Router {
    Router::new().route("/", get(page))
}

/// The page to which the script returns after a login is in it only if it is one of this site: anyone can write a link.
async fn page(Query(query): Query<Vec<(String, String)>>) -> impl IntoResponse {
    const NONE: &str = r#"<meta name="next" content="">"#;
    let next = query.iter().find(|(name, _)| name == "next").and_then(|(_, next)| safe_next(next));
    // `safe_next` accepts no quotes and no angle brackets.
    let next = next.unwrap_or_default().replace('&', "&amp;");
    let page = include_str!("index.html").replace(NONE, &format!(r#"<meta name="next" content="{next}">"#));
    file("text/html; charset=utf-8", page).await
}

/// The files of the page, and the module for pages that keep the access token in JavaScript.
pub(crate) fn assets() -> Router {
    const CSS: &str = "text/css; charset=utf-8";
    const JS: &str = "text/javascript; charset=utf-8";
    [
        ("/style.css", CSS, include_str!("style.css")),
        ("/script.js", JS, include_str!("script.js")),
        ("/dom.js", JS, include_str!("dom.js")),
        ("/lanes.js", JS, include_str!("lanes.js")),
        ("/log.js", JS, include_str!("log.js")),
        ("/theft.js", JS, include_str!("theft.js")),
        ("/tower-refresh.js", JS, include_str!("../../../../js/tower-refresh.js")),
    ]
    .into_iter()
    .fold(Router::new(), |router, (path, media_type, content)| {
        router.route(path, get(move || file(media_type, content)))
    })
}

async fn file(media_type: &'static str, content: impl IntoResponse) -> impl IntoResponse {
    let headers: [(HeaderName, HeaderValue); 5] = [
        (CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    ];
    (headers, content)
}
