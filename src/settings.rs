//! The settings of a layer, as the builder collects them and the steps read them.

use std::{fmt, net::IpAddr, slice, time::Duration};

use http::{Extensions, HeaderMap, HeaderName};
use tower_refresh_core::RotationPolicy;

use crate::{
    access_token::{Expected, Profile},
    cookies::Cookies,
};

pub(crate) struct Settings {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) policy: RotationPolicy,
    pub(crate) transports: AccessTransports,
    pub(crate) access_token_in_body: bool,
    pub(crate) cookies: Cookies,
    pub(crate) trusted_origins: Vec<String>,
    pub(crate) client_ip: Option<Box<ClientIp>>,
    pub(crate) is_browser: Option<Box<IsBrowser>>,
    pub(crate) backend_timeout: Duration,
    pub(crate) dead_session_retention: Duration,
    pub(crate) feed_loss_policy: FeedLossPolicy,
    pub(crate) token_cache_capacity: usize,
    /// Of one subject.
    pub(crate) max_sessions: Option<usize>,
    /// `None` if sessions are not bound to devices.
    pub(crate) device: Option<DeviceSettings>,
}

/// How sessions are bound to devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceSettings {
    pub(crate) binding: DeviceBinding,
    /// The path of the routes, as browsers see it: without a slash at the end.
    pub(crate) routes: String,
    /// Paths whose requests are never held for a refresh.
    pub(crate) excluded_paths: Vec<String>,
}

impl DeviceSettings {
    pub(crate) const DEFAULT_ROUTES: &str = "/auth/device";
}

pub(crate) type ClientIp = dyn Fn(&HeaderMap, &Extensions) -> Option<IpAddr> + Send + Sync;

pub(crate) type IsBrowser = dyn Fn(&HeaderMap, &Extensions) -> Option<bool> + Send + Sync;

impl Settings {
    /// Whether a session that is bound to a device requires its proofs.
    pub(crate) fn enforces_device_binding(&self) -> bool {
        self.device.as_ref().is_some_and(|device| device.binding == DeviceBinding::Enforce)
    }

    pub(crate) fn expected(&self) -> Expected<'_> {
        Expected {
            issuer: &self.issuer,
            audiences: slice::from_ref(&self.audience),
            access_lifetime: self.policy.access_lifetime,
            profile: Profile::own(),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            audience: String::new(),
            policy: RotationPolicy::balanced(),
            transports: AccessTransports::default(),
            access_token_in_body: true,
            cookies: Cookies::default(),
            trusted_origins: Vec::new(),
            client_ip: None,
            is_browser: None,
            backend_timeout: Duration::from_secs(2),
            dead_session_retention: Duration::from_secs(24 * 60 * 60),
            feed_loss_policy: FeedLossPolicy::default(),
            token_cache_capacity: 16_384,
            max_sessions: None,
            device: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("policy", &self.policy)
            .field("transports", &self.transports)
            .field("cookies", &self.cookies)
            .field("trusted_origins", &self.trusted_origins)
            .field("dead_session_retention", &self.dead_session_retention)
            .field("feed_loss_policy", &self.feed_loss_policy)
            .field("max_sessions", &self.max_sessions)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

/// How access tokens are received and sent.
#[derive(Clone, Debug)]
pub(crate) struct AccessTransports {
    /// `Authorization` in requests, and this header in responses.
    pub(crate) header: Option<HeaderName>,
    pub(crate) cookie: bool,
}

impl AccessTransports {
    pub(crate) const DEFAULT_HEADER: HeaderName = HeaderName::from_static("x-access-token");
}

impl Default for AccessTransports {
    fn default() -> Self {
        Self { header: Some(Self::DEFAULT_HEADER), cookie: true }
    }
}

/// How the access token of a request was received, and so how a new one is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccessTransport {
    Header,
    Cookie,
}

/// What a server does with valid access tokens while it does not learn which sessions other servers end: the store's feed is
/// lost, not joined yet or not followed, or the store has none. The gauge `tower_refresh_feed_up` is 0 in each of these cases;
/// [`EventKind::FeedLost`](crate::event::EventKind::FeedLost) reports only a loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeedLossPolicy {
    /// Accept them: the access token of a session that another server ended stays valid here until it expires. The default, so
    /// that trouble with the store does not affect users whose access tokens are valid.
    #[default]
    GoOn,
    /// Ask the store on each request: an ended session is rejected at once, every request costs a load, and while the store is
    /// down every request is rejected with 503. Access tokens are not refreshed ahead of their expiry meanwhile.
    AskStore,
}

/// What a session requires that is bound to a device: device-bound session credentials
/// ([W3C draft](https://w3c.github.io/webappsec-dbsc/)). [`AuthBuilder::device_binding`](crate::AuthBuilder::device_binding) sets it.
///
/// The binding counts from the first proof on that the browser gives after its registration. Before that, and in the sessions of
/// browsers that do not bind themselves, nothing is different.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceBinding {
    /// In a bound session the refresh token alone authenticates nothing, and no access token is issued without a proof of the device:
    /// a stolen refresh token is useless elsewhere.
    Enforce,
    /// The refresh token goes on to refresh bound sessions as well. Access tokens that are issued without a proof say so:
    /// [`Authenticated::is_device_bound`](crate::Authenticated::is_device_bound). For the time in which you observe how browsers behave.
    Observe,
}
