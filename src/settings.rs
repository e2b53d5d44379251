//! What the builder settled, in the form the steps read.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use http::{Extensions, HeaderMap, HeaderName};
use tower_refresh_core::RotationPolicy;

use crate::{
    cookies::Cookies, feed::FeedLossPolicy, rejection::Presentation, token::Context, verify::Expected,
};

/// How far apart the clocks of servers may be for ended sessions to stay refused.
pub(crate) const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

pub(crate) struct Settings {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) context: Context,
    pub(crate) policy: RotationPolicy,
    pub(crate) channels: Channels,
    pub(crate) access_token_in_body: bool,
    pub(crate) cookies: Cookies,
    pub(crate) trusted_origins: Vec<String>,
    pub(crate) client_ip: Option<Box<ClientIp>>,
    pub(crate) dead_session_retention: Duration,
    pub(crate) feed_loss: FeedLossPolicy,
    pub(crate) presentation: Arc<Presentation>,
}

pub(crate) type ClientIp = dyn Fn(&HeaderMap, &Extensions) -> Option<IpAddr> + Send + Sync;

impl Settings {
    pub(crate) fn expected(&self) -> Expected<'_> {
        Expected {
            issuer: &self.issuer,
            audience: &self.audience,
            access_lifetime: self.policy.access_lifetime,
        }
    }

    /// How long after the end of a session an access token of it may still be about, clocks of servers included.
    pub(crate) fn denied_for(&self) -> Duration {
        self.policy.access_lifetime + CLOCKS_DIFFER
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("policy", &self.policy)
            .field("channels", &self.channels)
            .field("cookies", &self.cookies)
            .field("trusted_origins", &self.trusted_origins)
            .field("dead_session_retention", &self.dead_session_retention)
            .field("feed_loss", &self.feed_loss)
            .finish_non_exhaustive()
    }
}

/// Where access tokens are read and written.
#[derive(Clone, Debug)]
pub(crate) struct Channels {
    /// `Authorization` in, this field out.
    pub(crate) header: Option<HeaderName>,
    pub(crate) cookie: bool,
}

/// Where a request's access token came from, and so where a new one goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    Header,
    Cookie,
}
