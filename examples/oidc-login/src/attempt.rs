//! A login on its way to the provider and back: in a cookie of its own, so that logins in several tabs do not disturb each other.

use std::time::Duration;

use axum::http::{HeaderMap, header::COOKIE};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use openidconnect::{CsrfToken, Nonce, PkceCodeChallenge};
use serde::{Deserialize, Serialize};
use tower_refresh::{Timestamp, safe_next};

/// A prefix that no other host, and no page over plain HTTP, can set a cookie with.
const PREFIX: &str = "__Host-login-";
/// The characters of `state` that name the cookie. The rest stays secret.
const NAME_LENGTH: usize = 8;
const LIFETIME: Duration = Duration::from_secs(10 * 60);
/// Any page can make the browser start logins. Their cookies must not fill the request head.
const MOST: usize = 5;
const LONGEST_NEXT: usize = 1024;

/// Only the browser that started the login has it. The browser can read and change all of it: what is decided by it is checked again.
#[derive(Serialize, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) provider: String,
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) verifier: String,
    /// The path to go to afterwards.
    next: String,
    /// Seconds since 1970.
    started_at: u64,
    /// Whether the user must authenticate now, even with a session at the provider.
    pub(crate) reauthenticate: bool,
}

impl Attempt {
    pub(crate) fn new(provider: &str, next: &str, reauthenticate: bool, now: Timestamp) -> Self {
        let (_, verifier) = PkceCodeChallenge::new_random_sha256();
        let next = safe_next(next).filter(|next| next.len() <= LONGEST_NEXT).unwrap_or("/");
        Self {
            provider: provider.to_owned(),
            state: CsrfToken::new_random().into_secret(),
            nonce: Nonce::new_random().secret().clone(),
            verifier: verifier.into_secret(),
            next: next.to_owned(),
            started_at: now.as_secs(),
            reauthenticate,
        }
    }

    /// The attempt of this browser to which a response with this `state` belongs.
    pub(crate) fn find(headers: &HeaderMap, state: &str, now: Timestamp) -> Option<Self> {
        let name = name(state)?;
        let (_, value) = cookies(headers).find(|(cookie, _)| *cookie == name)?;
        let attempt: Self = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(value).ok()?).ok()?;
        let is_live = now < attempt.started_at().saturating_add(LIFETIME);
        (attempt.state == state && is_live).then_some(attempt)
    }

    pub(crate) fn next(&self) -> &str {
        safe_next(&self.next).unwrap_or("/")
    }

    pub(crate) fn started_at(&self) -> Timestamp {
        Timestamp::from_secs(self.started_at)
    }

    /// `SameSite=Lax`: the browser sends it with the provider's redirect, which is a navigation, and with no form of another site.
    pub(crate) fn cookie(&self) -> Result<String, serde_json::Error> {
        let value = URL_SAFE_NO_PAD.encode(serde_json::to_vec(self)?);
        let name = name(&self.state).unwrap_or_default();
        Ok(format!("{name}={value}; Max-Age={}; Path=/; Secure; HttpOnly; SameSite=Lax", LIFETIME.as_secs()))
    }

    /// An attempt is over with its first response, whatever that says.
    pub(crate) fn removal(&self) -> String {
        removal(&name(&self.state).unwrap_or_default())
    }

    /// Removes the oldest attempts of this browser, so that one more fits. Browsers send the oldest cookies first.
    pub(crate) fn make_room(headers: &HeaderMap) -> Vec<String> {
        let names: Vec<_> =
            cookies(headers).map(|(name, _)| name).filter(|name| name.starts_with(PREFIX)).collect();
        let excess = (names.len() + 1).saturating_sub(MOST);
        names.into_iter().take(excess).map(removal).collect()
    }
}

/// The name of the cookie. `None` for a `state` that is not from here: it may be anything.
fn name(state: &str) -> Option<String> {
    let is_ours = state.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let start = state.get(..NAME_LENGTH).filter(|_| is_ours)?;
    Some(format!("{PREFIX}{start}"))
}

fn removal(name: &str) -> String {
    format!("{name}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax")
}

/// Names are compared byte for byte: a decoded one could pass for a `__Host-` cookie.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let fields = headers.get_all(COOKIE).iter().filter_map(|field| field.to_str().ok());
    fields
        .flat_map(|field| field.split(';'))
        .filter_map(|pair| pair.trim_matches([' ', '\t']).split_once('='))
}
