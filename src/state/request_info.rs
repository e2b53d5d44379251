//! What the session's methods and the response need of the request.

use std::{net::IpAddr, sync::OnceLock};

use http::StatusCode;
use tower_refresh_core::{SessionHandle, Timestamp};

use crate::{
    CustomClaims,
    auth_inner::AuthInner,
    credentials::{CookieHeaders, RetainedHeaders, cross_site::Navigation},
    event::{ClientInfo, DeviceRefreshSkipped},
    refresh_token::{PresentedTokens, RefreshTransport},
    settings::{AccessTransport, Settings},
};

pub(crate) struct RequestInfo {
    /// The session of a verified access token, expired or not.
    pub(crate) access_session: Option<SessionHandle>,
    pub(crate) sender: Sender,
    /// How a new access token is sent.
    pub(crate) transport: AccessTransport,
    /// Without cookies if they do not count.
    pub(crate) headers: RetainedHeaders,
    /// Why the browser did not refresh its device-bound session before. Read where the answer can depend on it.
    pub(crate) refresh_skipped: Option<DeviceRefreshSkipped>,
    ip: Option<IpAddr>,
    is_connect: bool,
    refresh_tokens: OnceLock<Box<PresentedTokens>>,
}

/// Who sent a request, as far as its headers show.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sender {
    /// A browser sent the request.
    pub(crate) is_from_browser: bool,
    pub(crate) is_cross_site: bool,
    pub(crate) navigation: Navigation,
    /// Whether another site started the navigation, and no script can read the response.
    pub(crate) is_hidden_from_scripts: bool,
}

impl RequestInfo {
    /// What was found out before the access token was read.
    #[inline(always)]
    pub(crate) fn new(
        ip: Option<IpAddr>,
        is_connect: bool,
        sender: Sender,
        headers: RetainedHeaders,
    ) -> Self {
        Self {
            access_session: None,
            sender,
            transport: AccessTransport::Header,
            headers,
            refresh_skipped: None,
            ip,
            is_connect,
            refresh_tokens: OnceLock::new(),
        }
    }

    /// The client, for events and the list of sessions.
    pub(crate) fn client(&self) -> ClientInfo {
        ClientInfo {
            ip: self.ip,
            user_agent: self.headers.user_agent.clone(),
            refresh_skipped: self.refresh_skipped,
        }
    }

    /// Whether the layer must change nothing: another site started the request, and can discard its response.
    #[inline]
    pub(crate) fn is_read_only(&self) -> bool {
        self.sender.navigation == Navigation::Elsewhere
    }

    /// Whether a response with this status ends HTTP on the connection or stream: `101 Switching Protocols` (RFC 9110 §15.2.2),
    /// or a 2xx to an extended CONNECT (RFC 8441, RFC 9220).
    pub(crate) fn is_upgrade(&self, status: StatusCode) -> bool {
        status == StatusCode::SWITCHING_PROTOCOLS || self.is_connect && status.is_success()
    }

    /// The refresh tokens of the request, parsed by the first call, which also reports invalid ones.
    pub(crate) fn parse_refresh_tokens_once<C: CustomClaims>(
        &self,
        auth: &AuthInner<C>,
        now: Timestamp,
    ) -> &PresentedTokens {
        self.refresh_tokens.get_or_init(|| {
            let texts = self.headers.cookies.values(auth.settings.cookies.refresh_name());
            Box::new(auth.read_refresh_tokens(texts, RefreshTransport::Cookie, &self.client(), now))
        })
    }

    /// The same, if they have been parsed.
    pub(crate) fn parsed_refresh_tokens(&self) -> Option<&PresentedTokens> {
        self.refresh_tokens.get().map(Box::as_ref)
    }
}

/// Whether the request has a cookie that can carry a token.
pub(crate) fn has_our_cookies(cookies: &CookieHeaders, settings: &Settings) -> bool {
    cookies.contains(settings.cookies.refresh_name())
        || settings.transports.cookie && cookies.contains(settings.cookies.access_name())
}
