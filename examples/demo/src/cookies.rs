//! Response headers that describe the cookies to the page, which cannot read them: they are HttpOnly.
//!
//! | response header | |
//! |---|---|
//! | `x-demo-generation` | the generation of the refresh token that the browser now has |
//! | `x-demo-renewed` | `access` or `both` if this response sets new tokens; `removed` if it removes them |
//! | `x-demo-expires-in` | the lifetime of the new access token, in seconds |
//! | `x-demo-refresh-expires-in` | the lifetime of the new refresh token, in seconds |

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue,
        header::{COOKIE, SET_COOKIE},
    },
    middleware::Next,
    response::Response,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

const GENERATION: HeaderName = HeaderName::from_static("x-demo-generation");
const RENEWED: HeaderName = HeaderName::from_static("x-demo-renewed");
const EXPIRES_IN: HeaderName = HeaderName::from_static("x-demo-expires-in");
const REFRESH_EXPIRES_IN: HeaderName = HeaderName::from_static("x-demo-refresh-expires-in");

/// The library's names of the cookies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CookieNames {
    pub(crate) access: &'static str,
    pub(crate) refresh: &'static str,
}

/// A middleware that adds the headers.
pub(crate) async fn explain(State(names): State<CookieNames>, request: Request, next: Next) -> Response {
    let sent = names.refresh_token(request.headers());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let (access, refresh) = (set_cookie(headers, names.access), set_cookie(headers, names.refresh));
    let renewed = match (&access, &refresh) {
        (_, Some(refresh)) if refresh.value.is_empty() => Some("removed"),
        (_, Some(_)) => Some("both"),
        (Some(access), None) if !access.value.is_empty() => Some("access"),
        (_, None) => None,
    };
    if let Some(renewed) = renewed {
        headers.insert(RENEWED, HeaderValue::from_static(renewed));
    }
    for (name, cookie) in [(EXPIRES_IN, &access), (REFRESH_EXPIRES_IN, &refresh)] {
        if let Some(max_age) = cookie.as_ref().and_then(|cookie| cookie.max_age).filter(|age| *age > 0) {
            headers.insert(name, max_age.into());
        }
    }
    if let Some(generation) =
        refresh.map(|refresh| refresh.value).or(sent).and_then(|token| generation(&token))
    {
        headers.insert(GENERATION, generation.into());
    }
    response
}

impl CookieNames {
    /// The refresh token of a request.
    pub(crate) fn refresh_token(self, headers: &HeaderMap) -> Option<String> {
        let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut cookies = values.flat_map(|value| value.split(';'));
        cookies.find_map(|cookie| value_of(cookie.trim(), self.refresh)).map(str::to_owned)
    }

    /// The header that removes the access cookie.
    pub(crate) fn without_access(self) -> String {
        let secure = if self.access.starts_with("__Host-") { "; Secure" } else { "" };
        format!("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{secure}", self.access)
    }

    /// The refresh token that a response sets.
    pub(crate) fn new_refresh_token(self, headers: &HeaderMap) -> Option<String> {
        set_cookie(headers, self.refresh).map(|cookie| cookie.value).filter(|token| !token.is_empty())
    }
}

/// The generation is in bytes 18 to 21 of a refresh token. Applications do not need it; the demo shows it.
pub(crate) fn generation(token: &str) -> Option<u32> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    Some(u32::from_be_bytes(bytes.get(18..22)?.try_into().ok()?))
}

struct SetCookie {
    value: String,
    max_age: Option<u64>,
}

fn set_cookie(headers: &HeaderMap, name: &str) -> Option<SetCookie> {
    headers.get_all(SET_COOKIE).iter().find_map(|header| {
        let mut parts = header.to_str().ok()?.split(';').map(str::trim);
        let value = value_of(parts.next()?, name)?.to_owned();
        let max_age = parts.find_map(|part| value_of(part, "Max-Age")).and_then(|age| age.parse().ok());
        Some(SetCookie { value, max_age })
    })
}

fn value_of<'a>(pair: &'a str, name: &str) -> Option<&'a str> {
    pair.strip_prefix(name)?.strip_prefix('=')
}
