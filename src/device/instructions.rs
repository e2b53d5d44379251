//! The session instructions: what a browser learns of a bound session, in the JSON of a registration and of each refresh.

use http::HeaderValue;
use serde::Serialize;

use crate::settings::{DeviceSettings, Settings};

/// The instructions for the session with this identifier, at this origin.
pub(crate) fn instructions(
    settings: &Settings,
    device: &DeviceSettings,
    identifier: &str,
    origin: &Origin,
) -> Vec<u8> {
    let excluded =
        device.excluded_paths.iter().map(|path| Scope { kind: "exclude", domain: origin.host(), path });
    let own = Scope { kind: "exclude", domain: origin.host(), path: &device.routes };
    let instructions = Instructions {
        session_identifier: identifier,
        refresh_url: &format!("{}/refresh", device.routes),
        scope: SessionScope {
            origin: origin.as_str(),
            include_site: false,
            scope_specification: [own].into_iter().chain(excluded).collect(),
        },
        credentials: [Credential {
            kind: "cookie",
            name: settings.cookies.access_name(),
            attributes: settings.cookies.attributes(),
        }],
        allowed_refresh_initiators: ["*"],
    };
    // It cannot fail: every member is a string.
    serde_json::to_vec(&instructions).unwrap_or_default()
}

/// The instruction to forget the session.
pub(crate) fn forget() -> Vec<u8> {
    br#"{"continue":false}"#.to_vec()
}

/// The origin at which a browser has the session.
pub(crate) struct Origin(String);

impl Origin {
    /// The origin of the request, or else that of its host: clients other than browsers need not send one.
    pub(crate) fn of(origin: Option<&HeaderValue>, host: Option<&HeaderValue>) -> Option<Self> {
        let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
        match origin {
            Some(origin) => text(origin).map(Self),
            None => host.and_then(text).map(|host| Self(format!("https://{host}"))),
        }
    }

    fn as_str(&self) -> &str {
        &self.0
    }

    /// Without the port.
    fn host(&self) -> &str {
        let authority = self.0.split_once("://").map_or(&*self.0, |(_, authority)| authority);
        match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => host,
            _ => authority,
        }
    }
}

#[derive(Serialize)]
struct Instructions<'a> {
    session_identifier: &'a str,
    refresh_url: &'a str,
    scope: SessionScope<'a>,
    credentials: [Credential<'a>; 1],
    /// Otherwise a link on another site would arrive without an access cookie.
    allowed_refresh_initiators: [&'a str; 1],
}

#[derive(Serialize)]
struct SessionScope<'a> {
    origin: &'a str,
    include_site: bool,
    scope_specification: Vec<Scope<'a>>,
}

#[derive(Serialize)]
struct Scope<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    domain: &'a str,
    path: &'a str,
}

#[derive(Serialize)]
struct Credential<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    name: &'a str,
    attributes: &'a str,
}
